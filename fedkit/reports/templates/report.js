
(function () {
  var config = { displayModeBar: false, responsive: true, showLink: false, scrollZoom: false, doubleClick: false };
  var drawn = [];
  document.querySelectorAll("script[data-figure]").forEach(function (held) {
    var figure = JSON.parse(held.textContent), place = document.getElementById(held.dataset.figure);
    (figure.layout.annotations || []).forEach(function (note) {
      if (note.name === "beside" && place.parentNode.classList.contains("wide") && place.clientWidth < 600) {
        note.visible = false;
      }
    });
    Plotly.newPlot(place, figure.data, figure.layout, config);
    drawn.push(place);
  });
  function fit(paper) {
    drawn.forEach(function (place) {
      var width = place.parentNode.classList.contains("wide") ? 680 : 328;
      Plotly.relayout(place, paper ? { width: width, autosize: false } : { width: null, autosize: true });
    });
  }
  window.addEventListener("beforeprint", function () { fit(true); });
  window.addEventListener("afterprint", function () { fit(false); });
})();
