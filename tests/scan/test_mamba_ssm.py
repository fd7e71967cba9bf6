"""The adapter of mamba_ssm's kernel, with a stand-in for the kernel that enforces the contract read in its source."""

from __future__ import annotations

import sys
import types

import pytest
import torch
import torch.nn.functional as F
from reference import assert_close
from torch.utils.checkpoint import checkpoint

from cuescan.scan import backends, four_ways
from cuescan.scan import mamba_ssm as adapter
from cuescan.scan.naive import selective_scan_naive

NAMES = ("u", "delta", "A", "B", "C", "D", "delta_bias")
PRECISION = {torch.float32: 2e-6, torch.float16: 3e-3, torch.bfloat16: 2e-2}


def expect(rule):
    if not rule:
        raise RuntimeError("the kernel's contract is broken")


def recurrence(u, delta, A, B, C, D, delta_bias, softplus):
    """The scan in float64, on the kernel's shapes: B and C are (batch, groups, state, length)."""
    repeats = u.shape[1] // B.shape[1]
    B, C = (weights.double().repeat_interleave(repeats, 1) for weights in (B, C))
    steps = delta.double() if delta_bias is None else delta.double() + delta_bias.double()[:, None]
    steps = F.softplus(steps) if softplus else steps
    state, outputs = 0, []
    for t in range(u.shape[2]):
        step = steps[:, :, t, None]
        state = torch.exp(step * A.double()) * state + step * B[..., t] * u.double()[:, :, t, None]
        outputs.append((C[..., t] * state).sum(2))
    y = torch.stack(outputs, 2)
    return y if D is None else y + D.double()[:, None] * u.double(), state


class StandIn(torch.autograd.Function):
    """Refuses what the kernel refuses; the gradient of the last state is not considered, as in mamba_ssm."""

    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, delta_bias, softplus, return_last_state):
        (batch, dim, length), (channels, state), groups = u.shape, A.shape, B.shape[1]
        expect(u.dtype in PRECISION and delta.dtype == B.dtype == C.dtype == u.dtype and A.dtype == torch.float32)
        expect(delta.shape == u.shape and channels == dim and 1 <= state <= 256 and dim % groups == 0)
        expect(B.shape == C.shape == (batch, groups, state, length) and z is None)
        for vector in (D, delta_bias):
            if vector is not None:
                expect(vector.shape == (dim,) and vector.dtype == torch.float32)
                expect(vector.stride(-1) == 1 or dim == 1)
        ctx.save_for_backward(u, delta, A, B, C, D, delta_bias)
        ctx.softplus = softplus
        y, last = recurrence(u, delta, A, B, C, D, delta_bias, softplus)
        workspace = torch.zeros(batch, dim, 3, 2 * state)
        workspace[:, :, -1, 1::2] = last
        return (y.to(u.dtype), workspace[:, :, -1, 1::2]) if return_last_state else y.to(u.dtype)

    @staticmethod
    def backward(ctx, dy, *_):
        tensors = [t if t is None else t.detach().requires_grad_() for t in ctx.saved_tensors]
        with torch.enable_grad():
            y, _ = recurrence(*tensors, ctx.softplus)
        expect(dy.dtype == tensors[0].dtype)
        wanted = [t for t in tensors if t is not None]
        found = iter(torch.autograd.grad(y, wanted, dy.double()))
        u, delta, A, B, C, D, bias = (None if t is None else next(found) for t in tensors)
        return u, delta, A, B, C, D, None, bias, None, None


@pytest.fixture
def calls(monkeypatch):
    """Install the stand-in as mamba_ssm; the list grows with each call of it and of the next backend, naive here."""
    seen = []

    def selective_scan_fn(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False,
                          return_last_state=False):  # fmt: skip
        seen.append("kernel")
        return StandIn.apply(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state)

    def successor(name, device):
        assert name == "mamba_ssm"
        if not torch.compiler.is_compiling():
            seen.append("next")
        return selective_scan_naive

    for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.selective_scan_interface"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules[name].selective_scan_fn = selective_scan_fn
    monkeypatch.setattr(adapter, "successor", successor)
    for table in ("_functions", "_failures"):
        monkeypatch.setattr(backends, table, {})
    return seen


def make_arguments(routes=None, batch=2, dim=6, length=12, state=3, groups=1, without=(), dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    number = 1 if routes is None else len(routes)
    weights = (batch, number, groups, state, length)
    shapes = ((batch, dim, length), (batch, number, dim, length), (number, dim, state), weights, weights,
              (number, dim), (number, dim))  # fmt: skip
    values = {name: torch.randn(shape, generator=generator) for name, shape in zip(NAMES, shapes, strict=True)}
    values["A"] = -values["A"].exp()
    for name in NAMES:
        values[name] = values[name].to(torch.float32 if name in ("A", "D", "delta_bias") else dtype)
    return {name: None if name in without else value.requires_grad_() for name, value in values.items()}


def gradients(outputs, arguments):
    generator = torch.Generator().manual_seed(1)
    loss = sum((out.double() * torch.randn(out.shape, generator=generator)).sum() for out in outputs)
    given = [value for value in arguments.values() if value is not None]
    return torch.autograd.grad(loss, given, allow_unused=True)


def assert_equals_naive(arguments, routes=None, softplus=True, of=(0, 1), ratio=PRECISION[torch.float32]):
    scanned = adapter.selective_scan_mamba_ssm(*arguments.values(), softplus, routes)
    exact = {name: None if v is None else v.detach().double().requires_grad_() for name, v in arguments.items()}
    expected = selective_scan_naive(*exact.values(), softplus, routes)
    assert scanned[0].dtype == arguments["u"].dtype
    assert scanned[1].dtype == torch.float32
    for out, want in zip(scanned, expected, strict=True):
        assert_close(out, want, ratio)
    got, wanted = (gradients([outs[i] for i in of], args) for outs, args in ((scanned, arguments), (expected, exact)))
    names = [name for name, value in arguments.items() if value is not None]
    for name, gradient, want in zip(names, got, wanted, strict=True):
        assert (gradient is None) == (want is None), name
        if want is not None:
            assert_close(gradient, want, ratio, name)


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("without", [(), ("D",), ("delta_bias",), ("D", "delta_bias")])
def test_one_route(calls, groups, without):
    assert_equals_naive(make_arguments(groups=groups, without=without), of=(0,))
    assert calls == ["kernel"]


@pytest.mark.parametrize("softplus", [False, True])
def test_four_routes_are_one_call(calls, softplus):
    routes = four_ways(4, 3, torch.device("cpu"))
    assert_equals_naive(make_arguments(routes), routes, softplus, of=(0,))
    assert calls == ["kernel"]


def test_routes_with_groups_and_routes_in_order(calls):
    routes = four_ways(4, 3, torch.device("cpu"))
    assert_equals_naive(make_arguments(routes, groups=2), routes, of=(0,))
    assert_equals_naive(make_arguments(routes), None, of=(0,))
    assert calls == ["kernel", "kernel"]


@pytest.mark.parametrize("dtype", PRECISION)
def test_dtypes(calls, dtype):
    routes = four_ways(4, 3, torch.device("cpu"))
    assert_equals_naive(make_arguments(routes, dtype=dtype), routes, of=(0,), ratio=PRECISION[dtype])
    assert calls == ["kernel"]


def test_mixed_dtypes_are_brought_to_one(calls):
    arguments = make_arguments()
    for name, dtype in (("u", torch.float16), ("B", torch.bfloat16), ("A", torch.float16), ("D", torch.bfloat16)):
        arguments[name] = arguments[name].detach().to(dtype).requires_grad_()
    assert_equals_naive(arguments, of=(0,), ratio=PRECISION[torch.bfloat16])
    assert calls == ["kernel"]


def test_strides_that_the_kernel_refuses_are_copied(calls):
    arguments = make_arguments()
    arguments["delta_bias"] = torch.tensor(0.3).expand(1, 6).requires_grad_()
    arguments["u"] = arguments["u"].detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    assert_equals_naive(arguments, of=(0,))


@pytest.mark.parametrize("of", [(1,), (0, 1)])
def test_the_gradient_of_the_last_state_comes_from_the_next_backend(calls, of):
    routes = four_ways(4, 3, torch.device("cpu"))
    arguments = make_arguments(routes)
    assert_equals_naive(arguments, routes, of=of)
    assert calls == ["kernel", "next"]
    _, last = adapter.selective_scan_mamba_ssm(*arguments.values(), True, routes)
    assert last.is_contiguous()


def test_only_what_needs_a_gradient_gets_one(calls):
    arguments = make_arguments()
    frozen = {name: value.detach() for name, value in arguments.items()}
    _, last = adapter.selective_scan_mamba_ssm(*{**frozen, "A": arguments["A"]}.values(), True, None)
    last.sum().backward()
    expected = selective_scan_naive(
        *{**frozen, "A": (other := frozen["A"].clone().requires_grad_())}.values(), True, None
    )
    expected[1].sum().backward()
    assert_close(arguments["A"].grad, other.grad, 1e-5)
    with torch.no_grad():
        assert not adapter.selective_scan_mamba_ssm(*arguments.values(), True, None)[1].requires_grad


def test_checkpointing(calls):
    arguments = make_arguments()
    run = lambda *values: adapter.selective_scan_mamba_ssm(*values, True, None)  # noqa: E731
    plain = gradients(run(*arguments.values()), arguments)
    again = gradients(checkpoint(run, *arguments.values(), use_reentrant=False), arguments)
    assert all(torch.equal(one, two) for one, two in zip(plain, again, strict=True))


@pytest.mark.parametrize("kind", ["state", "channels", "float64"])
def test_what_the_kernel_cannot_do_is_handed_over(calls, kind, monkeypatch):
    arguments = make_arguments(length=3, state=257 if kind == "state" else 3)
    if kind == "channels":
        monkeypatch.setattr(adapter, "MOST_CHANNELS", 5)
    if kind == "float64":
        arguments["D"] = arguments["D"].detach().double().requires_grad_()
    y, last = adapter.selective_scan_mamba_ssm(*arguments.values(), True, None)
    expected = selective_scan_naive(*arguments.values(), True, None)
    assert torch.equal(y, expected[0]) and torch.equal(last, expected[1])
    assert calls == ["next"]


def test_compiled_scans_are_handed_over(calls):
    arguments = make_arguments(length=3)
    run = torch.compile(adapter.selective_scan_mamba_ssm, backend="aot_eager", fullgraph=True)
    y, _ = run(*arguments.values(), True, None)
    assert_close(y, selective_scan_naive(*arguments.values(), True, None)[0], 1e-6)
    assert calls == []


def test_it_is_chosen_on_cuda_and_followed_by_triton(calls, monkeypatch):
    monkeypatch.delenv("CUESCAN_SCAN", raising=False)
    triton = object()
    monkeypatch.setitem(backends.BACKENDS, "triton", backends.Backend("cuda", lambda: triton))
    cuda = torch.device("cuda")
    assert backends.choose(cuda) is adapter.selective_scan_mamba_ssm
    assert backends.successor("mamba_ssm", cuda) is triton
    assert backends.available_backends()[0] == ("mamba_ssm" if torch.cuda.is_available() else "numba")


def test_the_stand_in_refuses_what_the_kernel_refuses():
    values = {name: value.detach() for name, value in make_arguments().items()}
    flat = (values["u"], values["delta"][:, 0], values["A"][0], values["B"][:, 0], values["C"][:, 0], None, None, None)
    assert StandIn.apply(*flat, True, False).shape == (2, 6, 12)
    for position, wrong in (
        (1, flat[1].half()),
        (2, flat[2].double()),
        (3, flat[3][:, 0]),
        (5, torch.ones(1).expand(6)),
    ):
        with pytest.raises(RuntimeError, match="contract"):
            StandIn.apply(*flat[:position], wrong, *flat[position + 1 :], True, False)
