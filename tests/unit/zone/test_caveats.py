from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.zone.domain import caveat_forms
from services.zone.domain.caveats import ApiCaveat, Context, Operation, Service
from services.zone.domain.identifiers import TokenKind, provider_subject, user_subject
from services.zone.domain.token_errors import TokenCaveatUnknown
from services.zone.domain.value_errors import BadData, BadValueCaveat
from services.zone.domain.whereabouts import Whereabouts

PATH = base64.b64encode(b"/s1/dir/file").decode()
OBJECT = "00000000006CDF46" + "67756964237569642373"
PAIRS: list[tuple[str, dict[str, Any]]] = [
    ("time < 1733000000", {"type": "time", "validUntil": 1733000000}),
    ("ip = 10.0.0.0/8|1.2.3.4", {"type": "ip", "whitelist": ["10.0.0.0/8", "1.2.3.4"]}),
    ("asn = 64496|64497", {"type": "asn", "whitelist": [64496, 64497]}),
    ("geo.country = PL|FR", {"type": "geo.country", "filter": "whitelist", "list": ["PL", "FR"]}),
    ("geo.country != PL", {"type": "geo.country", "filter": "blacklist", "list": ["PL"]}),
    ("geo.region = Europe|EU", {"type": "geo.region", "filter": "whitelist", "list": ["Europe", "EU"]}),
    ("geo.region != Asia", {"type": "geo.region", "filter": "blacklist", "list": ["Asia"]}),
    (
        "service = opw-p1|opw-*|ozw-onezone",
        {"type": "service", "whitelist": ["opw-p1", "opw-*", "ozw-onezone"]},
    ),
    (
        "consumer = usr-u1|grp-g1|prv-p1|usr-*",
        {"type": "consumer", "whitelist": ["usr-u1", "grp-g1", "prv-p1", "usr-*"]},
    ),
    ("interface = rest", {"type": "interface", "interface": "rest"}),
    (
        "api = all/get/od_space.*.*:*|ozw/all/od_user.u1.space,s1",
        {"type": "api", "whitelist": ["all/get/od_space.*.*:*", "ozw/all/od_user.u1.space,s1"]},
    ),
    ("data.readonly", {"type": "data.readonly"}),
    (f"data.path = {PATH}", {"type": "data.path", "whitelist": [PATH]}),
    (f"data.objectid = {OBJECT}", {"type": "data.objectid", "whitelist": [OBJECT]}),
]


@pytest.mark.parametrize(("text", "json"), PAIRS)
def test_text_and_json_mean_the_same(text: str, json: dict[str, Any]) -> None:
    assert caveat_forms.parse(text).to_json() == json
    assert caveat_forms.from_json(json).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "time",
        "time < x",
        "time < -1",
        "time > 5",
        "ip = ",
        "ip = 1.2.3",
        "ip = 1.2.3.4/33",
        "ip = ::1",
        "asn = x",
        "geo.country = pl",
        "geo.country < PL",
        "geo.region = Mars",
        "service = xyz-1",
        "consumer = bot-1",
        "interface = ftp",
        "api = get",
        "data.path = ???",
        "data.path = " + base64.b64encode(b"s1").decode(),
        "data.path = " + base64.b64encode(b"/s1/").decode(),
        "data.path = " + base64.b64encode(b"/s1/../s2").decode(),
        "data.objectid = xyz",
        "data.writeonly",
        "colour = red",
    ],
)
def test_unknown_text_is_told_as_it_is(text: str) -> None:
    with pytest.raises(TokenCaveatUnknown) as caught:
        caveat_forms.parse(text)
    assert caught.value.details == {"caveat": text}


@given(st.text(max_size=60))
def test_any_text_is_a_caveat_or_unknown(text: str) -> None:
    try:
        assert caveat_forms.parse(text).text
    except TokenCaveatUnknown:
        return


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    _JSON
    | st.fixed_dictionaries(
        {"type": st.sampled_from([json["type"] for _, json in PAIRS])},
        optional=dict.fromkeys(("whitelist", "validUntil", "interface", "filter", "list"), _JSON),
    )
)
def test_any_json_is_a_caveat_or_a_bad_value(value: Any) -> None:
    try:
        caveat = caveat_forms.from_json(value)
    except BadValueCaveat:
        return
    assert caveat_forms.parse(caveat.text) == caveat


def test_bad_json_is_told_as_it_is() -> None:
    with pytest.raises(BadValueCaveat) as caught:
        caveat_forms.from_json({"type": "ip", "whitelist": []})
    assert caught.value.details == {"caveat": {"type": "ip", "whitelist": []}}


def test_caveats_come_as_a_list() -> None:
    with pytest.raises(BadData):
        caveat_forms.list_from_json({"type": "data.readonly"})
    assert caveat_forms.list_from_json(None) == []


def _holds(text: str, **circumstances: Any) -> bool:
    return caveat_forms.parse(text).holds(Context(**{"now_s": 1000, **circumstances}))


@pytest.mark.parametrize(("until_s", "holds"), [(999, False), (1000, False), (1001, True)])
def test_time_holds_before_its_end(until_s: int, holds: bool) -> None:
    assert _holds(f"time < {until_s}") is holds


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("10.200.3.4", True),
        ("1.2.3.4", True),
        ("::ffff:1.2.3.4", True),
        ("11.0.0.1", False),
        ("::1", False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_ip_holds_inside_its_masks(address: str | None, holds: bool) -> None:
    assert _holds("ip = 10.0.0.0/8|1.2.3.4", peer_ip=address) is holds


@pytest.mark.parametrize("text", ["asn = 1", "geo.country = PL", "geo.country != PL", "geo.region != Asia"])
def test_without_data_no_place_is_known(text: str) -> None:
    assert not _holds(text, peer_ip="1.2.3.4")


class Atlas:
    """Knows one address, in Cracow."""

    def find(self, address: str) -> Whereabouts:
        if address == "1.2.3.4":
            return Whereabouts(64496, "PL", frozenset({"Europe", "EU"}), knows_countries=True)
        return Whereabouts(knows_countries=True)


@pytest.mark.parametrize(
    ("text", "there", "unknown"),
    [
        ("asn = 64496|1", True, False),
        ("asn = 64497", False, False),
        ("geo.country = PL|FR", True, False),
        ("geo.country = FR", False, False),
        ("geo.country != FR", True, True),
        ("geo.country != PL", False, True),
        ("geo.region = EU", True, False),
        ("geo.region = Asia|Europe", True, False),
        ("geo.region = Asia", False, False),
        ("geo.region != EU", False, True),
        ("geo.region != Asia", True, True),
    ],
)
def test_places_hold_as_the_data_say(text: str, there: bool, unknown: bool) -> None:
    atlas = Atlas()
    assert _holds(text, peer_ip="1.2.3.4", locator=atlas) is there
    assert _holds(text, peer_ip="192.0.2.1", locator=atlas) is unknown
    assert not _holds(text, peer_ip=None, locator=atlas)


def test_service_holds_for_listed_services() -> None:
    assert _holds("service = opw-p1", service=Service("opw", "p1"))
    assert _holds("service = opw-*", service=Service("opw", "p2"))
    assert not _holds("service = opw-p1", service=Service("opp", "p1"))
    assert not _holds("service = opw-*")


def test_consumer_holds_for_listed_subjects() -> None:
    assert _holds("consumer = usr-u1", consumer=user_subject("u1"))
    assert _holds("consumer = prv-*", consumer=provider_subject("p1"))
    assert _holds("consumer = grp-g1", consumer=user_subject("u1"), consumer_groups=frozenset({"g1"}))
    assert not _holds("consumer = usr-u1", consumer=provider_subject("u1"))
    assert not _holds("consumer = usr-*")


def test_interface_must_be_stated() -> None:
    assert _holds("interface = rest", interface="rest")
    assert not _holds("interface = rest", interface="oneclient")
    assert not _holds("interface = rest")


def test_legacy_caveat_is_for_no_access() -> None:
    caveat = caveat_forms.parse("authorization = none")
    assert TokenKind.ACCESS not in caveat.tokens
    assert TokenKind.IDENTITY in caveat.tokens


@pytest.mark.parametrize(
    ("element", "covers"),
    [
        ("all/all/*.*.*:*", True),
        ("ozw/get/od_space.s1.instance:private", True),
        ("ozw/get/od_space.s1.instance", True),
        ("all/get/od_space.*.*:*", True),
        ("opw/get/od_space.s1.instance", False),
        ("ozw/update/od_space.s1.instance", False),
        ("ozw/get/od_user.s1.instance", False),
        ("ozw/get/od_space.s2.instance", False),
        ("ozw/get/od_space.s1.users", False),
        ("ozw/get/od_space.s1.instance:public", False),
    ],
)
def test_api_covers_what_its_pattern_says(element: str, covers: bool) -> None:
    caveat = caveat_forms.parse(f"api = {element}")
    assert isinstance(caveat, ApiCaveat)
    assert caveat.covers("ozw", Operation("get", "od_space", "s1")) is covers


def test_api_aspect_may_leave_its_argument_open() -> None:
    operation = Operation("delete", "od_space", "s1", "user,u1")
    for element, covers in [("user,u1", True), ("user,*", True), ("*", True), ("user", False)]:
        caveat = caveat_forms.parse(f"api = all/delete/od_space.s1.{element}")
        assert isinstance(caveat, ApiCaveat)
        assert caveat.covers("ozw", operation) is covers
