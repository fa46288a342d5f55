"""What the limiter in memory keeps besides the contract: its bounds."""

from olfactory_transformer.api.ratelimit.memory import MemoryLimiter


class Clock:
    now = 10**18

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += int(seconds * 1e9)


def test_a_flood_of_callers_costs_a_fixed_amount():
    limiter = MemoryLimiter(most=100, clock=Clock())
    for number in range(10_000):
        limiter.take_now(f"a{number}", 10)
        assert len(limiter) <= 100


def test_who_asks_on_is_not_forgotten():
    limiter = MemoryLimiter(most=100, clock=Clock())
    for number in range(1000):
        limiter.take_now(f"a{number}", 10)
        limiter.take_now("busy", 1_000_000)
    assert limiter.take_now("busy", 1_000_000).remaining == 1_000_000 - 1001


def test_after_a_flood_memory_shrinks():
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    for number in range(1000):
        limiter.take_now(f"a{number}", 10)
    clock.forward(61)
    for number in range(600):
        limiter.take_now(f"b{number}", 10)
    assert len(limiter) <= 600


def test_of_no_cost_it_only_tells():
    limiter = MemoryLimiter(clock=Clock())
    assert limiter.take_now("a", 1, 0).remaining == 1 and len(limiter) == 0
    limiter.take_now("a", 1)
    assert limiter.take_now("a", 1, 0).allowed and limiter.take_now("a", 1, 0).remaining == 0
