"""Usage, prices and lists that know what they cost."""

from __future__ import annotations

import pytest

from headway.errors import InvalidInput
from headway.inference.answer import Completion, Metered, Prices, Usage, estimate_tokens


def test_cost_is_rounded_up() -> None:
    prices = Prices(input=150_000, output=600_000)
    assert prices.cost(1_000_000, 0) == 150_000
    assert prices.cost(0, 1_000_000) == 600_000
    assert prices.cost(1, 0) == 1
    assert prices.cost(0, 0) == 0
    assert prices.cost(10, 10) == 8  # 7.5


@pytest.mark.parametrize("price", [-1, 0.5, True, 10**20, "1"])
def test_a_price_is_a_whole_number(price: object) -> None:
    with pytest.raises(InvalidInput, match="price of output tokens"):
        Prices(output=price)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="price of input tokens"):
        Prices(input=price)  # type: ignore[arg-type]


def test_usage_is_priced_and_added() -> None:
    one = Usage(10, 20, cost=5)
    assert one + Usage(1, 2, estimated=True, cost=1) == Usage(11, 22, estimated=True, cost=6)
    assert (one + Usage(1, 2)).cost is None
    assert Usage(10, 10).priced(Prices(1_000_000, 2_000_000)).cost == 30
    assert Usage(10, 10).priced(None).cost is None


def test_a_metered_list_is_a_list() -> None:
    vectors = Metered([[1.0]], Usage(3), "m")
    assert vectors == [[1.0]]
    assert (vectors.usage, vectors.model) == (Usage(3), "m")
    assert (Metered([]).usage, Metered([]).model) == (Usage(), "")


def test_tokens_are_a_quarter_of_the_bytes() -> None:
    assert estimate_tokens("abcde", None, "") == 2
    assert estimate_tokens("ä") == 1
    assert estimate_tokens() == 0


def test_a_completion_has_defaults() -> None:
    assert Completion("x") == Completion("x", Usage(), "", "stop")
