"""The bench panel as a person uses it, in JupyterLab and in Voila. One panel for each place, used
from top to bottom.
"""

from __future__ import annotations


def test_opens_with_controls_and_a_figure(bench):
    assert "Press Run" in bench.title()
    words = bench.words()
    for name in (
        "Clients",
        "Their text",
        "Rounds",
        "Local epochs",
        "Tuning",
        "Rank",
        "Wire",
        "Strategy",
        "Drop-outs",
        "Bandwidth",
        "Latency",
        "Their PCs",
        "Deadline",
        "Run would take",
        "The same from a terminal",
    ):
        assert name in words, name
    bench.shot("1_before")


def test_run_shows_progress_and_cancel_stops_it(bench):
    bench.button("Run").click()
    bench.until("s left")
    bench.until(lambda: bench.curves() >= 1)
    bench.shot("2_running")
    assert bench.button("Run next").is_visible()
    bench.button("Cancel").click()
    bench.until("Cancelled", 30)
    assert bench.button("Run").is_enabled() and not bench.button("Cancel").is_enabled()


def test_clients_deal_anew_and_run_again_finishes(bench):
    before = bench.page.locator(".js-plotly-plot .ytick text").count()
    bench.keys("Clients", "ArrowRight", 2)
    bench.until("5 clients")
    bench.until(lambda: bench.page.locator(".js-plotly-plot .ytick text").count() == before + 2, 30)
    bench.keys("Rounds", "ArrowLeft", 5)
    bench.until("--rounds 10")  # the command: Python has heard of it
    bench.button("Run").click()
    bench.until("Finished")
    assert "right after 10 rounds" in bench.title() and bench.curves() == 2
    bench.shot("3_after")


def test_bandwidth_by_keyboard_moves_the_curve_and_not_the_axis(bench):
    curve, title, ticks = bench.curve(), bench.title(), bench.ticks()
    bench.keys("Bandwidth", "ArrowLeft", 3)
    bench.until(lambda: "256 kbit/s" in bench.title(), 20)
    assert bench.curve() != curve and bench.title() != title and bench.ticks() == ticks
    assert bench.words().count("Finished") == 1  # nothing was trained


def test_bandwidth_by_mouse_moves_the_curve(bench):
    curve = bench.curve()
    bench.drag("Bandwidth", 120)
    bench.until(lambda: bench.curve() != curve and "256 kbit/s" not in bench.title(), 20)


def test_bandwidth_changes_the_time_axis_of_one_round(bench):
    bench.view("One round")
    bench.until(lambda: bench.page.locator(".js-plotly-plot .barlayer .point path").count() > 5, 20)
    assert "Round 10 takes" in bench.title()
    ticks = bench.ticks()
    bench.shot("4_gantt")
    bench.keys("Bandwidth", "Home")
    bench.until(lambda: bench.ticks() != ticks and "upload" in bench.title(), 20)
    bench.shot("5_gantt_slow")
    bench.view("by round")
    bench.shot("6_by_round")
    bench.view("Each client")
    bench.until(lambda: "served worst" in bench.title() and "client-004" in bench.ticks("y2"), 20)
    bench.shot("7_each_client")
    bench.view("Bytes")
    bench.until(lambda: "travelled" in bench.title(), 20)
    bench.shot("8_bytes")
    bench.view("Accuracy by time")
    bench.until(lambda: "right after" in bench.title(), 20)


def test_deadline_that_changes_learning_is_marked(bench):
    bench.keys("Deadline", "ArrowRight")
    bench.until("Would need a new run", 20)
    bench.shot("9_deadline")
    bench.view("One round")
    bench.until("this is what was recorded", 20)
    bench.shot("10_deadline_gantt")
    bench.view("Accuracy by time")
    bench.keys("Deadline", "ArrowLeft")
    bench.until(lambda: "Would need a new run" not in bench.words(), 20)


def test_settings_are_exported_and_read_back(bench):
    bench.page.get_by_text("Settings as text").last.click()
    text = bench.page.locator("textarea").nth(0)
    bench.until(lambda: "clients = 5" in text.input_value(), 20)
    link = bench.page.locator("a[download]").last
    assert link.get_attribute("href").startswith("data:application/toml")
    box = bench.page.locator("textarea").nth(1)
    box.fill("clients = many")
    bench.button("Load").click()
    bench.until("Not loaded", 20)
    box.fill(text.input_value().replace("clients = 5", "clients = 4"))
    bench.button("Load").click()
    bench.until("Loaded", 20)
    bench.until("4 clients", 20)
    bench.shot("11_settings")
    bench.page.get_by_text("Settings as text").last.click()


def test_queue_of_one_is_shown_and_forgotten_by_cancel(bench):
    bench.keys("Rounds", "End")
    bench.until("--rounds 50", 20)
    bench.button("Run").click()
    bench.until("s left")
    bench.keys("Clients", "ArrowLeft")
    bench.until("--clients 3", 20)
    bench.button("Run next").click()
    bench.until("Next: 3 clients", 20)
    bench.shot("12_queue")
    bench.button("Cancel").click()
    bench.until("Cancelled", 30)
    assert "Next:" not in bench.words()


def test_reload_in_mid_run_shows_the_panel_as_it_stands(bench, place):
    bench.keys("Local epochs", "End")
    bench.until("--local-epochs 10", 20)  # long enough for a reload in its midst
    bench.button("Run").click()
    bench.until("s left")
    bench.reload()
    bench.shot("13_reloaded")
    if place == "voila":  # a page of its own: a new kernel, a new panel
        assert "Press Run" in bench.title()
        bench.button("Run").click()
    bench.until("s left", 60)
    bench.until(lambda: bench.curves() >= 1)
    title = bench.title()
    bench.until(lambda: bench.title() != title)  # the picture goes on growing
    bench.button("Cancel").click()
    bench.until("Cancelled", 30)
    title = bench.title()
    bench.keys("Bandwidth", "ArrowRight")
    bench.until(lambda: bench.title() != title, 20)


def test_focus_follows_the_order_of_the_page(bench):
    bench.slider("Clients").focus()
    seen = []
    for _ in range(22):  # two menus more than it was: privacy and the sealed sum
        seen.append(
            bench.page.evaluate(
                "(document.activeElement.closest('.widget-inline-hbox') ||"
                " document.activeElement).innerText.split('\\n')[0].trim()"
            )
        )
        bench.page.keyboard.press("Tab")
    order = [
        name
        for name in (
            "Clients",
            "Their text",
            "Rounds",
            "Tuning",
            "Privacy",
            "Drop-outs",
            "Run",
            "Bandwidth",
        )
        if name in seen
    ]
    places = [seen.index(name) for name in order]
    assert places == sorted(places) and len(order) >= 6, seen


def test_nothing_left_this_machine_and_no_script_failed(bench):
    assert bench.outside == []
    assert bench.errors == []
