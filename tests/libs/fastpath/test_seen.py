import hashlib
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.fastpath import _seen_py
from tests.support.require import require
from tests.support.scale import scaled

try:
    from libs.fastpath import _seen
except ImportError:  # built without a compiler
    _seen = None  # type: ignore[assignment]


@pytest.fixture(params=["cython", "python"])
def seen(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "python":
        return _seen_py
    require(_seen, "libs/fastpath is not compiled")
    return _seen


def key(number: int) -> bytes:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).digest()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 60)),
        st.tuples(st.just("pack"), st.lists(st.integers(0, 60), max_size=8)),
        st.tuples(st.just("ask"), st.integers(0, 60)),
        st.tuples(st.just("rotate"), st.none()),
    ),
    max_size=80,
)


@settings(max_examples=scaled(5000, least=150), deadline=None)
@given(operations=OPERATIONS)
def test_never_says_new_of_a_key_within_two_generations_and_twins_agree(operations: list[tuple[str, object]]) -> None:
    twins = [module.SeenFilter(256) for module in (_seen_py, _seen) if module]  # two blocks: collisions are common
    current: set[int] = set()
    previous: set[int] = set()
    for name, argument in operations:
        if name == "rotate":
            current, previous = set(), current
            for twin in twins:
                twin.rotate()
        elif name == "ask":
            assert isinstance(argument, int)
            answers = {twin.maybe(key(argument)) for twin in twins}
            assert len(answers) == 1
            if argument in current | previous:
                assert answers == {True}
        else:
            numbers = argument if isinstance(argument, list) else [argument]
            current.update(numbers)
            for twin in twins:
                if name == "pack":
                    twin.add_packed(b"".join(key(number) for number in numbers))
                else:
                    twin.add(key(numbers[0]))


def test_forgets_after_two_rotations(seen: ModuleType) -> None:
    kept = seen.SeenFilter(4096)
    kept.add(key(1))
    assert kept.maybe(key(1))
    kept.rotate()
    assert kept.maybe(key(1))
    assert kept.previous_count == 1
    kept.rotate()
    assert not kept.maybe(key(1))
    assert kept.previous_count == kept.current_count == 0


def test_says_new_of_nearly_all_other_keys(seen: ModuleType) -> None:
    kept = seen.SeenFilter(2 * 2560)  # 10 bits a key for 2,048 keys
    for number in range(2048):
        kept.add(key(number))
    wrong = sum(kept.maybe(key(number)) for number in range(10_000, 14_000))
    assert wrong < 4000 * 0.03


def test_size_is_what_was_asked_for(seen: ModuleType) -> None:
    assert seen.SeenFilter(1024 * 1024).memory_bytes == 1024 * 1024


@pytest.mark.parametrize("size", [0, 64, -5])
def test_refuses_a_size_without_room(seen: ModuleType, size: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        seen.SeenFilter(size)


def test_refuses_keys_of_another_length(seen: ModuleType) -> None:
    kept = seen.SeenFilter(1024)
    for bad in (b"", b"short", bytes(17)):
        with pytest.raises(ValueError, match="16 bytes"):
            kept.add(bad)
        with pytest.raises(ValueError, match="16 bytes"):
            kept.maybe(bad)
    with pytest.raises(ValueError, match="16 bytes"):
        kept.add_packed(bytes(17))
