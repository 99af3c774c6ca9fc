"""Simulated seconds by hand: links as people write them, devices, mixes, a shared line, a round's
end.
"""

from __future__ import annotations

import numpy as np
import pytest

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.network import (
    DEVICES,
    LINKS,
    Device,
    Link,
    World,
    assign_parts,
    parse_device,
    parse_devices,
    parse_link,
    parse_links,
    parse_server_link,
    round_ends,
)
from fedkit.network.world import fair_share_ends, uniform_draws

MB = 1_000_000
INF = np.inf


def world(link: str, clients: int = 2, **settings) -> World:
    return World.from_config({"link": link, **settings}, [f"c{i}" for i in range(clients)])


def test_two_clients_by_hand():
    """Over 8 and 4 Mbit/s a megabyte takes 1 s down and 2 s up; the latency is 0.1 s; computers
    take twice as long.
    """
    ends = world("8mbps:4mbps/100ms", devices="half-speed").visit_ends(
        1, [0, 1], [MB, MB], [1.0, 3.0], [MB // 2, MB]
    )
    assert ends == pytest.approx(np.array([[1.1, 3.1, 4.2], [1.1, 7.1, 9.2]]))
    assert round_ends(ends[:, 2], np.array([True, True])) == pytest.approx(9.2), (
        "the server waits for the last"
    )
    assert world("dsl").visit_ends(1, [], [], [], []).shape == (0, 3)


@pytest.mark.parametrize(
    ("spec", "link"),
    [
        ("10mbps/40ms", Link(10e6, 10e6, 0.04)),
        ("20mbps:2mbps/60ms", Link(20e6, 2e6, 0.06)),
        ("64kbps", Link(64e3, 64e3, 0.0)),
        ("1gbps:500mbps", Link(1e9, 500e6, 0.0)),
        ("1.5mbps/0.5ms", Link(1.5e6, 1.5e6, 0.0005)),
        (" 10MBPS/40MS\n", Link(10e6, 10e6, 0.04)),  # capitals and blanks around are forgiven
        ("10mbps/40ms/jitter=5ms", Link(10e6, 10e6, 0.04, 0.005)),
        ("10mbps/40ms/loss=0.01", Link(10e6, 10e6, 0.04, 0.0, 0.01)),
        ("2mbps:1mbps/40ms/jitter=5ms/loss=0.01", Link(2e6, 1e6, 0.04, 0.005, 0.01)),
    ],
)
def test_a_link_as_people_write_it(spec, link):
    made = parse_link(spec)
    assert [made.down, made.up, made.latency, made.jitter, made.loss] == pytest.approx(
        [link.down, link.up, link.latency, link.jitter, link.loss]
    )


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "fast",
        "10",
        "10mb/40ms",
        "10mbps/40",
        "10mbps/40s",
        "mbps/40ms",
        "-1mbps/40ms",
        "0mbps/40ms",
        "10mbps:0kbps",
        "1.2.3mbps",
        ".mbps",
        "10mbps/1.2.3ms",
        "10mbps/40ms/40ms",
        "10 mbps",
        "10mbps/999999ms",
        "nanmbps",
        "１０mbps",
        "10mbps:2mbps:1mbps",
        "dsl/40ms",
        "inf",
        "1e9mbps",
        "10mbps/loss=2",
        "10mbps/jitter=5",
        "10mbps/loss=0.01/jitter=5ms",
        "10mbps/loss=1%",
        "dsl=",
        "=1",
        "dsl=0",
    ],
)
def test_a_link_that_is_not_understood_is_refused(spec):
    with pytest.raises(FedkitError, match=r"10mbps/40ms.*dsl") as error:
        parse_link(spec)
    assert repr(spec) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", LINKS)
def test_every_link_profile_can_be_chosen(name):
    link = parse_link(name)
    assert link is LINKS[name] and link.down >= link.up > 0 and 0 <= link.latency < 1 and link.about


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_profile_says_its_basis(name):
    device = parse_device(name)
    assert device is DEVICES[name] and device.slowdown > 0 and device.basis
    assert device.memory is None or 1e9 < device.memory < 1e12


@pytest.mark.parametrize(
    ("name", "peak"),
    [("old-pc", 4 * 3.2 * 16), ("laptop", 4 * 2.4 * 32), ("workstation", 16 * 3.4 * 32)],
)
def test_a_ratio_is_the_arithmetic_that_its_basis_states(name, peak):
    assert DEVICES[name].slowdown == pytest.approx(900 / peak, rel=0.02)


def test_an_unknown_device_is_refused():
    with pytest.raises(FedkitError, match=r"'cray'.*as-measured"):
        parse_device("cray")


def test_loss_slows_a_line_by_the_formula_of_mathis():
    """1460 bytes each 80 ms, times sqrt(3/2) / sqrt(0.01) = 12.25, are 1.788 Mbit/s."""
    link = parse_link("10mbps/40ms/loss=0.01")
    assert link.rate(10e6) == pytest.approx(1.788e6, rel=1e-3)
    assert link.rate(1e6) == pytest.approx(0.99e6), "a slow line only sends again what was lost"
    assert parse_link("10mbps/loss=0.01").rate(10e6) == pytest.approx(9.9e6), (
        "no delay, so nothing to slow it"
    )
    assert parse_link("10mbps/40ms").rate(10e6) == 10e6
    (ends,) = world("10mbps/40ms/loss=0.01", 1).visit_ends(1, [0], [0], [0.0], [MB])
    assert ends[2] == pytest.approx(0.08 + 8e6 / link.rate(10e6))


def test_jitter_is_drawn_anew_for_each_transfer_and_never_else():
    calm, rough = world("10mbps/40ms", 50), world("10mbps/40ms/jitter=20ms", 50)
    nothing = [0] * 50
    late = rough.visit_ends(3, range(50), nothing, nothing, nothing) - calm.visit_ends(
        3, range(50), nothing, nothing, nothing
    )
    down, up = late[:, 0], late[:, 2] - late[:, 1]
    for one in (down, up):
        assert 0 <= one.min() < 0.004 and 0.016 < one.max() <= 0.02 and len(set(one)) == 50
    assert abs(np.corrcoef(down, up)[0, 1]) < 0.4
    assert (
        rough.visit_ends(3, [7], [0], [0], [0])[0]
        == rough.visit_ends(3, range(50), nothing, nothing, nothing)[7]
    ).all(), "alone"
    assert not np.allclose(
        rough.visit_ends(4, range(50), nothing, nothing, nothing)[:, 0], down + 0.04
    )
    other = world("10mbps/40ms/jitter=20ms", 50, seed=1)
    assert not np.allclose(
        other.visit_ends(3, range(50), nothing, nothing, nothing)[:, 0], down + 0.04
    )


def test_draws_are_uniform_and_the_same_for_ever():
    many = uniform_draws(0, np.arange(1, 101)[:, None], np.arange(100), 1)
    assert (
        many.shape == (100, 100)
        and many.mean() == pytest.approx(0.5, abs=0.01)
        and many.std() == pytest.approx(12**-0.5, abs=0.01)
    )
    assert (
        uniform_draws(7, 1, 2, 0)[0] == pytest.approx(0.7112131501315474)
        and uniform_draws(-1, 1)[0] == uniform_draws(-1, 1)[0]
    )


# ---- mixes


def test_a_mix_is_dealt_by_the_largest_remainder_and_shuffled_by_the_seed():
    parts = parse_devices("old-pc=0.7,gpu-server=0.3")
    assert [(p.name, p.share) for p in parts] == [
        ("old-pc", pytest.approx(0.7)),
        ("gpu-server", pytest.approx(0.3)),
    ]
    for clients, counts in ((10, [7, 3]), (5, [4, 1]), (1, [1, 0]), (3, [2, 1]), (0, [])):
        assert np.bincount(assign_parts(parts, clients, 0)).tolist() == [n for n in counts if n]
    assert parse_devices("old-pc=7,gpu-server=3") == parts, "shares are made to add up"
    assert parse_devices("old-pc=70,gpu-server=30") == parts, "per cent"
    assert parse_devices("old-pc=70%,gpu-server=30 %") == parts, "per cent with its sign"
    assert parse_devices("old-pc=70%,gpu-server=0.3") == parts, "and without"
    assert len(parse_devices("old-pc=0.33,laptop=0.33,phone=0.33")) == 3, "rounded thirds"
    dealt = [tuple(assign_parts(parts, 10, seed)) for seed in range(20)]
    assert dealt[0] == tuple(assign_parts(parts, 10, 0)) and len(set(dealt)) > 10
    assert 0.15 < np.mean([d[0] for d in dealt]) < 0.5, "the place says nothing"
    assert np.bincount(assign_parts(parse_devices("old-pc=1,laptop=1,phone=1"), 4, 0)).tolist() == [
        2,
        1,
        1,
    ]


def test_a_mix_of_links_may_hold_written_ones():
    parts = parse_links("10mbps/40ms/loss=0.01=1,dsl=3")
    assert [(p.profile, p.share) for p in parts] == [
        (Link(10e6, 10e6, 0.04, 0.0, 0.01), 0.25),
        (LINKS["dsl"], 0.75),
    ]
    assert parse_links("10mbps/40ms/loss=0.01")[0].profile.loss == 0.01, "not a share of 1 %"
    assert parse_links("dsl=2") == parse_links("dsl")
    mixed = world("dsl=0.5,4g=0.5", 100, devices="old-pc=0.5,phone=0.5")
    both = {(mixed.link(i), mixed.devices[i]) for i in range(100)}
    assert len(both) == 4, "who has which line says nothing of who has which computer"


@pytest.mark.parametrize(
    ("read", "spec", "said"),
    [
        (parse_devices, "cray", "as-measured"),
        (parse_devices, "old-pc=0.5,cray=0.5", "'cray' is not known"),
        (parse_devices, "old-pc=0.5,phone", "'phone' has no share"),
        (parse_devices, "old-pc=0,phone=1", "'old-pc=0'"),
        (parse_devices, "old-pc=%,phone=1", "'old-pc=%' has no share"),
        (parse_devices, "old-pc=5%%,phone=1", "'old-pc=5%%' has no share"),
        (parse_devices, "old-pc=1%,phone=3%", "the shares are 4 % in all"),
        (parse_devices, "old-pc=-1,phone=1", "gpu-server=0.3"),
        (parse_devices, "old-pc=nan,phone=1", "gpu-server=0.3"),
        (parse_devices, "", "choose one of"),
        (parse_links, "dsl=0.5,foo=0.5", "'foo' is not understood"),
        (parse_links, "dsl,4g", "dsl=0.5,4g=0.5"),
        (parse_links, "dsl=a,4g=1", "'dsl=a'"),
        (parse_devices, "old-pc=0.7,laptop=0.7", "the shares are 140 % in all"),
        (parse_devices, "old-pc=70,laptop=70", "the shares are 140 % in all"),
        (parse_devices, "old-pc=0.3,laptop=0.3", "60 % in all"),
        (parse_devices, "old-pc=0.5", "50 % in all"),
        (parse_links, "dsl=0.5,4g=0.5,10mbps/40ms=0.5", "150 % in all"),
        (parse_links, "dsl=0.5,dsl=0.5", "a name stands there twice"),
    ],
)
def test_a_mix_that_cannot_be_is_refused_in_one_line(read, spec, said):
    with pytest.raises(FedkitError) as error:
        read(spec)
    assert said in str(error.value) and "\n" not in str(error.value)


# ---- the server's line


def test_a_shared_line_by_hand():
    """Capacity 3; A may take 1, B and C 10. Until A ends B and C have 1 each; then what A had is
    theirs.
    """
    ends = fair_share_ends(
        np.zeros((1, 3)), np.array([[2.0, 2.0, 5.0]]), np.array([[1.0, 10.0, 10.0]]), 3.0
    )
    assert ends[0] == pytest.approx([2.0, 2.0, 3.0])
    later = fair_share_ends(
        np.array([[0.0, 1.0, INF]]), np.array([[4.0, 2.0, 9.0]]), np.full((1, 3), 10.0), 2.0
    )
    assert later[0] == pytest.approx([3.0, 3.0, INF]), (
        "alone for 1 s, then half each for 2 s; nobody comes as third"
    )
    capped = fair_share_ends(
        np.zeros((1, 3)), np.array([[1.0, 9.0, 9.0]]), np.array([[1.0, 9.0, 9.0]]), 10.0
    )
    assert capped[0] == pytest.approx([1.0, 1.9, 1.9]), (
        "who cannot take its share leaves the rest to the others"
    )


def test_a_shared_line_gives_all_that_it_has_and_no_more():
    rng = np.random.default_rng(0)
    starts, bits = rng.uniform(0, 3, (20, 12)), rng.uniform(0, 50, (20, 12))
    caps = rng.choice([1.0, 3.0, 10.0], (20, 12))
    ends = fair_share_ends(starts, bits, caps, 5.0)
    assert (ends >= starts + bits / caps - 1e-9).all(), "nobody is faster than on its own line"
    assert np.allclose(fair_share_ends(starts, bits, caps, 1e6), starts + bits / caps), (
        "wide enough"
    )
    assert (fair_share_ends(starts, bits, caps, 6.0) <= ends + 1e-9).all(), "more is never slower"
    same = fair_share_ends(np.zeros((20, 12)), bits, np.full((20, 12), 10.0), 5.0)
    assert np.allclose(same.max(1), bits.sum(1) / 5.0), "no bit per second is left idle"
    rows = [
        fair_share_ends(starts[i : i + 1], bits[i : i + 1], caps[i : i + 1], 5.0)[0]
        for i in range(20)
    ]
    assert np.allclose(rows, ends), "rounds do not touch each other"
    few = starts.copy()
    few[:10, 3:] = INF
    left = fair_share_ends(few, bits, caps, 5.0)
    assert np.isinf(left[:10, 3:]).all() and np.allclose(left[10:], ends[10:]), (
        "some rounds are over sooner"
    )


def test_the_servers_line_in_a_round():
    """Four sites of 8 Mbit/s on 16 Mbit/s to them and 8 Mbit/s from them; a megabyte is 8 Mbit."""
    tight = world("8mbps/0ms", 4, server_link="16mbps:8mbps")
    args = 1, range(4), [MB] * 4, [0.0, 0.0, 0.0, 100.0], [MB] * 4
    ends = tight.visit_ends(*args)
    assert ends[:, 0] == pytest.approx([2.0] * 4) and ends[:, 2] == pytest.approx(
        [5.0, 5.0, 5.0, 103.0]
    )
    wide = world("8mbps/0ms", 4, server_link="32mbps").visit_ends(*args)
    assert (wide == world("8mbps/0ms", 4).visit_ends(*args)).all()
    slow = world("8mbps/0ms", 1, server_link="1mbps").visit_ends(1, [0], [MB], [0.0], [0])
    assert slow[0, 0] == pytest.approx(8.0)


@pytest.mark.parametrize("spec", ["", "7", "fast", "1gbps:", "0mbps", "10mbps/40ms"])
def test_a_server_line_that_is_not_understood_is_refused(spec):
    with pytest.raises(FedkitError, match="100mbps"):
        parse_server_link(spec)
    assert parse_server_link("1gbps:100mbps") == (1e9, 1e8) and parse_server_link(None) is None


# ---- the end of a round


@pytest.mark.parametrize(
    ("arrivals", "heard", "deadline", "ends"),
    [
        ([3.0, 5.0], [1, 1], None, 5.0),
        ([3.0, 5.0], [1, 0], None, 5.0),
        ([3.0, 5.0], [1, 1], 9.0, 5.0),
        ([3.0, 5.0], [1, 1], 4.0, 4.0),
        ([3.0, 5.0], [0, 1], 9.0, 9.0),
        ([], [], 9.0, 0.0),
        ([3.0, 5.0], [1, 1], 5.0, 5.0),
    ],
)
def test_a_round_ends_with_the_last_or_at_the_deadline(arrivals, heard, deadline, ends):
    """heard 0: a lost upload; without a deadline its broken line is noticed, with one the server
    waits.
    """
    assert round_ends(np.array(arrivals), np.array(heard, bool), deadline) == ends


def test_a_world_is_made_of_settings_or_a_record_of_them():
    config = RunConfig(link="dsl", devices="old-pc=1,phone=1", server_link="1gbps", seed=3)
    ids = ["a", "b", "c"]
    assert World.from_config(config, ids) == World.from_config(config.to_dict(), ids)
    assert World.from_config({}, ids) == World.from_config(RunConfig(), ids)
    assert isinstance(World.from_config(config, ids).device(0), Device)
    with pytest.raises(FedkitError, match="server-link"):
        World.from_config({"server_link": "x"}, ids)
