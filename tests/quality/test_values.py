"""Values cross the wall as what they are made of, and nothing else does."""

from __future__ import annotations

import contextlib
import math
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, deque
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quality.values import Kin, NotAnAnswerError, dump, load, plain

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.fractions(),
    st.complex_numbers(allow_nan=False), st.integers(min_value=1 << 400),
)  # fmt: skip
hashable = st.recursive(scalars, lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner)), max_leaves=8)
values = st.recursive(
    hashable,
    lambda inner: st.one_of(st.lists(inner), st.tuples(inner), st.dictionaries(hashable, inner)),
    max_leaves=20,
)


def kinds(value):
    if isinstance(value, dict):
        return dict, [(kinds(key), kinds(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [kinds(item) for item in value]
    return type(value)


@given(values)
def test_what_comes_out_equals_what_went_in_and_is_of_the_same_type(value):
    again = load(dump(value))
    assert again == value
    assert kinds(again) == kinds(value)


@given(st.text())
def test_any_text_is_either_a_value_or_an_error_of_ours(text):
    with contextlib.suppress(NotAnAnswerError):
        load(text)


def test_nan_and_infinity():
    assert math.isnan(load(dump(math.nan)))
    assert load(dump([math.inf, -math.inf])) == [math.inf, -math.inf]


def test_subclasses_are_what_they_hold():
    class Lying(list):
        def __iter__(self):
            return iter([1, 2, 3])

    class Two(IntEnum):
        TWO = 2

    assert load(dump(Lying([9]))) == Kin("Lying", [9])
    assert load(dump([Lying([9])])) == [[9]]
    assert load(dump(Counter("aab"))) == Kin("Counter", {"a": 2, "b": 1})
    assert load(dump(OrderedDict(a=1))) == Kin("OrderedDict", {"a": 1})
    assert load(dump(Two.TWO)) == Kin("Two", 2)
    assert load(dump(Decimal("0.5"))) == 0.5
    assert load(dump(Fraction(1, 3))) == Fraction(1, 3)


def test_what_compares_equal_to_a_built_in_value_crosses():
    """list, dict and set say yes to these; they say no to a deque, a range and a dict's values."""
    whole = [UserList([1, (2,)]), UserString("a"), UserDict(a=1), ChainMap({"a": 1}), MappingProxyType({"a": 1}),
             {1: 2}.keys(), {1: 2}.items()]  # fmt: skip
    held = [[1, (2,)], "a", {"a": 1}, {"a": 1}, {"a": 1}, {1}, {(1, 2)}]
    assert whole == held
    assert [plain(load(dump(one))) for one in whole] == held
    for other in (deque([1]), {1: 2}.values()):
        with pytest.raises(NotAnAnswerError):
            dump(other)


def test_numpy_scalars_are_numbers():
    np = pytest.importorskip("numpy")
    assert load(dump([np.int64(3), np.float64(0.5), np.bool_(True)])) == [3, 0.5, True]


def test_numpy_scalars_of_any_width_and_arrays_without_dimensions_are_what_they_equal():
    np = pytest.importorskip("numpy")
    kinds = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "intc", "longlong", "float16", "float32")
    kinds += ("complex64", "complex128")
    assert [plain(load(dump(getattr(np, kind)(3)))) for kind in kinds] == [3] * len(kinds)
    assert load(dump(np.longdouble(0.5))) == 0.5
    assert load(dump([np.array(7), np.array(True), np.array("a"), np.str_("b"), np.bytes_(b"c")])) == [
        7, True, "a", "b", b"c",
    ]  # fmt: skip
    assert load(dump(np.array([[1.0]]))) == Kin("ndarray", 1.0)
    assert load(dump([np.array([1.0])])) == [1.0]
    for array in (np.array([1, 2]), np.array([]), np.array(object())):
        with pytest.raises(NotAnAnswerError):
            dump(array)


@pytest.mark.parametrize("value", [object(), len, (i for i in ()), range(3), Decimal("NaN"), iter([])])
def test_what_is_no_answer_does_not_cross(value):
    with pytest.raises(NotAnAnswerError):
        dump(value)


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"dict":3}', '{"eval":"1"}', '{"a":1,"b":2}', '{"set":[[1]]}', "[" * 100_000, '{"ratio":["0x1","0x0"]}'],
)
def test_a_forged_line_is_an_error(text):
    with pytest.raises(NotAnAnswerError):
        load(text)
