"""The Triton backend against the float64 recurrence: outputs, last state and all gradients.

Without a GPU the kernels run under Triton's interpreter, which must be chosen before triton is imported: the tests
marked ``interpreted`` exist only where TRITON_INTERPRET=1, and ``test_under_the_interpreter`` runs them so in another
process. Those marked ``gpu`` run the compiled kernels.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from reference import assert_close, to_float64

from cuescan.scan import both_ways, four_ways
from cuescan.scan.naive import selective_scan_naive

pytest.importorskip("triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
PRECISION = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}  # about 4 units of the output's rounding
CPU = torch.device("cpu")
COMPILE = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import JITFunction, driver
from cuescan.scan.triton_launch import run_backward, run_forward

class Device:
    get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
    get_current_device = staticmethod(lambda: 0)
    get_current_stream = staticmethod(lambda device: 0)

driver.set_active(Device())
run, kernels = JITFunction.run, []
JITFunction.run = lambda self, *a, **k: kernels.append((self, run(self, *a, **{**k, "warmup": True})))

def launch(length, dtype, state, routes, *options):
    def zeros(*shape):
        return torch.zeros(shape, dtype=dtype)
    number = len(routes) if routes is not None else 1
    inputs = zeros(1, 40, length), zeros(1, number, 40, length), torch.zeros(number, 40, state)
    arguments = (*inputs, *zeros(2, 1, number, 1, state, length), *options, True, routes)
    y, last, states = run_forward(*arguments)
    run_backward(*arguments, states, y, last)

launch(130, torch.float32, 16, torch.zeros(2, 130, dtype=torch.int32), *torch.zeros(2, 2, 40))
launch(20, torch.bfloat16, 3, None, None, None)
assert all(len(kernel.asm["cubin"]) > 1000 for _, kernel in kernels)
print(*[kernel.asm["ptx"].count("shfl.") for _, kernel in kernels])
"""


def interpreted(test):
    return test if INTERPRETED else None


def run_python(*arguments, **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    return done.stdout


def make_arguments(
    batch=1, dim=4, length=9, state=4, groups=1, number=1, without=(), dtype=torch.float32, device=CPU, seed=0
):  # fmt: skip
    """Random arguments that require gradients; ``without`` names absent ones."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    values = {
        "u": normal(batch, dim, length),
        "delta": normal(batch, number, dim, length) - 1,
        "A": -torch.exp(normal(number, dim, state)),
        "B": normal(batch, number, groups, state, length),
        "C": normal(batch, number, groups, state, length),
        "D": normal(number, dim),
        "delta_bias": normal(number, dim) * 0.5,
    }
    values = {name: value.to(device, dtype).requires_grad_() for name, value in values.items()}
    return {name: None if name in without else value for name, value in values.items()}


def outputs_and_gradients(scan, arguments, softplus=True, routes=None, of_state=1.0, rounded=torch.float32):
    y, last = scan(*arguments.values(), softplus, routes)
    generator = torch.Generator().manual_seed(7)
    weigh_y = torch.randn(y.shape, generator=generator).to(rounded).to(y.device).double()
    weigh_last = torch.randn(last.shape, generator=generator).to(last.device).double()
    given = {name: value for name, value in arguments.items() if value is not None}
    loss = (y.double() * weigh_y).sum() + of_state * (last.double() * weigh_last).sum()
    return y, last, dict(zip(given, torch.autograd.grad(loss, list(given.values())), strict=True))


def assert_equals_reference(arguments, softplus=True, routes=None, of_state=1.0):
    from cuescan.scan.triton_gpu import selective_scan_triton

    options = (softplus, routes, of_state, arguments["u"].dtype)
    y, last, gradients = outputs_and_gradients(selective_scan_triton, arguments, *options)
    # float64 of the same rounded values, and the same rounded gradient of y
    expected_y, expected_last, expected = outputs_and_gradients(selective_scan_naive, to_float64(arguments), *options)
    precision = {**PRECISION, torch.float32: 1e-5} if y.is_cuda else PRECISION  # a GPU's exp2 is 2 units off
    assert y.dtype == arguments["u"].dtype
    assert last.dtype == torch.float32
    assert_close(y, expected_y, precision[y.dtype], "y")
    assert_close(last, expected_last, precision[torch.float32], "last state")
    for name, gradient in gradients.items():
        assert gradient.dtype == arguments[name].dtype
        assert_close(gradient, expected[name], precision[gradient.dtype], f"gradient of {name}")


@pytest.mark.skipif(INTERPRETED, reason="is what runs this")
def test_under_the_interpreter():
    here = Path(__file__)
    arguments = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not under_the_interpreter", str(here))
    assert " passed" in run_python(*arguments, TRITON_INTERPRET="1")


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
def test_compiles_for_a_gpu_without_one(tmp_path):
    """What would be launched. A tile's steps lie in a thread's registers: the first pass, all recurrence, shuffles not.

    (But for the sum of its steps at the end.)
    """
    shuffles = [int(count) for count in run_python("-c", COMPILE, TRITON_CACHE_DIR=str(tmp_path)).split()]
    assert len(shuffles) == 8
    assert shuffles[0] < 20 < shuffles[2]


@pytest.fixture
def small_blocks(monkeypatch):
    """8 steps instead of 32: 26 are 4 blocks in 2 segments, 41 are 6 in 3."""
    monkeypatch.setattr("cuescan.scan.triton_launch.block_of", lambda state: 8)


@interpreted
@pytest.mark.parametrize("length", [1, 7, 8, 9, 26, 41])
def test_lengths(length, small_blocks):
    assert_equals_reference(make_arguments(dim=2, length=length))


@interpreted
def test_a_whole_block_and_a_part():
    assert_equals_reference(make_arguments(dim=2, length=33))


@interpreted
@pytest.mark.parametrize("state", [1, 2, 3, 8, 16, 64])
def test_state_sizes(state):
    assert_equals_reference(make_arguments(dim=5, state=state, length=6))


@interpreted
@pytest.mark.parametrize("batch, dim, groups, state", [(2, 8, 2, 4), (1, 8, 4, 3), (1, 20, 1, 16)])
def test_groups_and_tiles_of_channels(batch, dim, groups, state):
    assert_equals_reference(make_arguments(batch, dim, 6, state, groups))


@interpreted
@pytest.mark.parametrize("without", [(), ("D",), ("delta_bias",), ("D", "delta_bias")])
@pytest.mark.parametrize("softplus", [False, True])
def test_absent_options(without, softplus):
    arguments = make_arguments(length=5, without=without)
    if not softplus:
        arguments["delta"] = arguments["delta"].detach().abs().requires_grad_()
    assert_equals_reference(arguments, softplus)


@interpreted
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_dtypes(dtype):
    assert_equals_reference(make_arguments(length=13, dtype=dtype))


@interpreted
def test_mixed_dtypes():
    arguments = make_arguments()
    for name, dtype in (("u", torch.float16), ("B", torch.bfloat16), ("D", torch.bfloat16)):
        arguments[name] = arguments[name].detach().to(dtype).requires_grad_()
    assert_equals_reference(arguments)


@interpreted
@pytest.mark.parametrize("last_dimension_first", [False, True])
def test_memory_layouts(last_dimension_first):
    arguments = make_arguments(dim=3, length=5)
    for name, value in arguments.items():
        spread = torch.stack([value.detach(), value.detach()], dim=-1)[..., 0]
        if last_dimension_first and value.dim() > 1:
            spread = value.detach().transpose(-1, -2).contiguous().transpose(-1, -2)
        arguments[name] = spread.requires_grad_()
    assert_equals_reference(arguments)


@interpreted
def test_steps_laid_out_with_routes_first_are_not_copied():
    from cuescan.scan.triton_launch import rows_of

    arguments, routes = make_arguments(2, 3, 5, number=2, without=("D",)), both_ways(5, CPU)
    delta = arguments["delta"].detach().permute(1, 0, 3, 2).contiguous().permute(1, 0, 3, 2)
    assert rows_of(delta).data_ptr() == delta.data_ptr()
    arguments["delta"] = delta.requires_grad_()
    assert_equals_reference(arguments, routes=routes)
    operator = torch.ops.cuescan.selective_scan_triton.default
    torch.library.opcheck(operator, (*arguments.values(), True, routes))
    operator(*arguments.values(), True, routes)[0].sum().backward()
    assert delta.grad.stride() == delta.stride()


@interpreted
def test_routes_over_a_map():
    routes = four_ways(3, 4, CPU)
    assert_equals_reference(make_arguments(dim=3, length=12, number=4), routes=routes)
    assert_equals_reference(make_arguments(dim=3, length=12, number=4, dtype=torch.bfloat16), routes=routes.long())


@interpreted
def test_routes_in_segments(small_blocks):
    assert_equals_reference(make_arguments(dim=2, length=26, number=2), routes=both_ways(26, CPU))


@interpreted
def test_routes_and_groups():
    assert_equals_reference(make_arguments(2, 6, 5, groups=3, number=2), routes=both_ways(5, CPU))


@interpreted
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("from_zero", [False, True])
def test_chain_of_segments(reverse, from_zero):
    from cuescan.scan.triton_launch import Work

    arguments = make_arguments(2, 50, 3, 3, number=2)
    work = Work(*(value.detach() for value in arguments.values()), True, both_ways(3, CPU))
    work.segments = 20
    ends, spans = (torch.rand_like(buffer) for buffer in work.ends())
    state = torch.zeros_like(ends[:, :, 0]) if from_zero else torch.rand_like(ends[:, :, 0])
    starts = work.chained(ends, spans, None if from_zero else state, reverse)
    for segment in reversed(range(20)) if reverse else range(20):
        assert_close(starts[:, :, segment], state, 1e-6)
        decay = torch.exp(spans[:, :, segment, None] * arguments["A"].detach().transpose(1, 2))
        state = decay * state + ends[:, :, segment]


@interpreted
def test_launches_of_few_programs(monkeypatch):
    from cuescan.scan import triton_launch

    monkeypatch.setattr(triton_launch, "MOST_PROGRAMS", 3)
    assert_equals_reference(make_arguments(2, 4, 5, groups=2))


@interpreted
@pytest.mark.parametrize("of_state", [0.0, 1e3])
def test_gradient_of_the_last_state(of_state, small_blocks):
    assert_equals_reference(make_arguments(dim=2, length=26, state=3), of_state=of_state)


@interpreted
def test_deterministic_gradients(monkeypatch):
    """Two tiles of channels share B and C; torch adds what they found, in order."""
    monkeypatch.setattr("triton.language.atomic_add", None)
    torch.use_deterministic_algorithms(True)
    try:
        assert_equals_reference(make_arguments(dim=20, length=6, state=16))
    finally:
        torch.use_deterministic_algorithms(False)


@interpreted
@pytest.mark.parametrize("extreme", [-1e4, 1e4])
def test_extreme_steps_forget_or_keep_the_state(extreme):
    arguments = make_arguments(without=("delta_bias",))
    arguments["delta"] = torch.full_like(arguments["delta"], extreme, requires_grad=True)
    assert_equals_reference(arguments)


@interpreted
def test_small_steps_keep_their_digits():
    arguments = make_arguments(without=("delta_bias",))
    arguments["delta"] = (arguments["delta"].detach() - 12).requires_grad_()
    assert_equals_reference(arguments)


@interpreted
@pytest.mark.parametrize("name", ["u", "delta", "A", "B", "C", "D", "delta_bias"])
def test_nan_is_not_swallowed(name):
    from cuescan.scan.triton_gpu import selective_scan_triton

    arguments = make_arguments(length=2)
    with torch.no_grad():
        arguments[name].view(-1)[0] = float("nan")
        assert selective_scan_triton(*arguments.values(), True, None)[0].isnan().any()


@interpreted
def test_float64_and_large_states_are_left_to_the_recurrence():
    from cuescan.scan.triton_gpu import selective_scan_triton

    for arguments in (make_arguments(dtype=torch.float64), make_arguments(length=2, state=257)):
        got = selective_scan_triton(*arguments.values(), True, None)
        expected = selective_scan_naive(*arguments.values(), True, None)
        assert all(torch.equal(one, two) for one, two in zip(got, expected, strict=True))


@interpreted
def test_the_operator_is_well_formed():
    import cuescan.scan.triton_gpu  # noqa: F401

    operator = torch.ops.cuescan.selective_scan_triton.default
    torch.library.opcheck(operator, (*make_arguments(dim=2, length=3).values(), True, None))


@interpreted
def test_compiles_into_one_graph():
    from cuescan.scan.triton_gpu import selective_scan_triton

    arguments = make_arguments(length=5)

    def double(*given):
        return 2 * selective_scan_triton(*given, True, None)[0]

    compiled = torch.compile(double, backend="aot_eager", fullgraph=True)
    compiled(*arguments.values()).sum().backward()
    got = arguments["A"].grad.clone()
    arguments["A"].grad = None
    double(*arguments.values()).sum().backward()
    assert torch.equal(got, arguments["A"].grad)


@interpreted
@pytest.mark.parametrize("length", [5, 40])
def test_one_exported_program_takes_any_length(length):
    from cuescan.scan.triton_gpu import selective_scan_triton

    class Scan(torch.nn.Module):
        def forward(self, *given):
            return selective_scan_triton(*given, True, None)[0]

    inputs = [tuple(value.detach() for value in make_arguments(length=any).values()) for any in (length, 5, 40)]
    axis = torch.export.Dim("length", min=2, max=100)
    axes = tuple({value.dim() - 1: axis} if length in value.shape[-1:] else None for value in inputs[0])
    program = torch.export.export(Scan(), inputs[0], dynamic_shapes=(axes,)).module()
    for given in inputs[1:]:
        assert torch.equal(program(*given), Scan()(*given))


@interpreted
def test_needs_a_recent_triton(monkeypatch):
    monkeypatch.setattr("triton.__version__", "3.1.0")
    monkeypatch.delitem(sys.modules, "cuescan.scan.triton_gpu", raising=False)
    with pytest.raises(ImportError, match="needs Triton 3.2 or later, which torch 2.6 brings; got 3.1.0"):
        import cuescan.scan.triton_gpu  # noqa: F401


@interpreted
def test_is_not_cast_under_autocast():
    from cuescan.scan.triton_gpu import selective_scan_triton

    arguments = make_arguments()
    expected = selective_scan_triton(*arguments.values(), True, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = selective_scan_triton(*arguments.values(), True, None)
    assert all(torch.equal(one, two) for one, two in zip(got, expected, strict=True))


def on_gpu(test):
    skipped = pytest.mark.skipif(not torch.cuda.is_available() or INTERPRETED, reason="no CUDA device")
    return pytest.mark.gpu(skipped(test))


def as_networks_have_it(arguments):
    """Channels adjacent in memory, and positions before states in B and C."""
    for name in ("u", "delta", "B", "C"):
        value = arguments[name].detach()
        arguments[name] = value.transpose(-1, -2).contiguous().transpose(-1, -2).requires_grad_()
    return arguments


GPU_SIZES = {"batch": 2, "dim": 192, "length": 3136, "state": 16, "groups": 4, "device": torch.device("cuda")}


@on_gpu
@pytest.mark.parametrize("dtype", PRECISION)
def test_gpu_equals_reference(dtype):
    assert_equals_reference(make_arguments(**GPU_SIZES, dtype=dtype))


@on_gpu
@pytest.mark.parametrize("state", [1, 2, 3, 4, 8, 16, 24, 32, 64, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gpu_state_sizes(state, dtype):
    sizes = {**GPU_SIZES, "length": 197, "groups": 1, "state": state}
    assert_equals_reference(make_arguments(**sizes, dtype=dtype))


@on_gpu
@pytest.mark.parametrize(
    "batch, dim, length, groups", [(1, 5, 1, 1), (3, 20, 7, 2), (64, 768, 197, 1), (1, 96, 12544, 1)]
)
@pytest.mark.parametrize("without", [(), ("D", "delta_bias")])
def test_gpu_shapes(batch, dim, length, groups, without):
    assert_equals_reference(make_arguments(batch, dim, length, 8, groups, without=without, device=GPU_SIZES["device"]))


@on_gpu
@pytest.mark.parametrize("dtype", PRECISION)
def test_gpu_routes_over_a_map(dtype):
    sizes = {**GPU_SIZES, "length": 31 * 40, "groups": 1, "number": 4, "dtype": dtype}
    routes = four_ways(31, 40, GPU_SIZES["device"])
    assert_equals_reference(make_arguments(**sizes), routes=routes)
    assert_equals_reference(as_networks_have_it(make_arguments(**sizes)), routes=routes)


@on_gpu
def test_gpu_gives_the_same_bits_again():
    from cuescan.scan.triton_gpu import selective_scan_triton

    def runs():
        for _ in range(3):
            y, last, gradients = outputs_and_gradients(selective_scan_triton, make_arguments(**GPU_SIZES))
            yield {"y": y, "last": last, **gradients}

    first, *others = runs()
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first if name not in ("B", "C"))
    torch.use_deterministic_algorithms(True)
    try:
        first, *others = runs()
    finally:
        torch.use_deterministic_algorithms(False)
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


@on_gpu
@pytest.mark.parametrize("dtype", PRECISION)
def test_gpu_takes_less_memory_than_twice_what_goes_in_and_out(dtype):
    from cuescan.scan.triton_gpu import selective_scan_triton

    arguments = as_networks_have_it(make_arguments(**{**GPU_SIZES, "batch": 4}, dtype=dtype))

    def run():
        y, _ = selective_scan_triton(*arguments.values(), True, None)
        return y, *torch.autograd.grad(y.sum(), list(arguments.values()))

    run()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    results = run()
    taken = torch.cuda.max_memory_allocated() - before  # the results included
    assert taken < 2 * sum(tensor.nbytes for tensor in (*arguments.values(), *results))


@on_gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gpu_is_not_cast_under_autocast(dtype):
    with torch.autocast("cuda", dtype=dtype):
        assert_equals_reference(make_arguments(**{**GPU_SIZES, "length": 197}))


@on_gpu
def test_gpu_compiles_into_one_graph():
    from cuescan.scan.triton_gpu import selective_scan_triton

    arguments = make_arguments(**{**GPU_SIZES, "length": 197})

    def double(*given):
        return 2 * selective_scan_triton(*given, True, None)[0]

    compiled = torch.compile(double, fullgraph=True)
    assert_close(compiled(*arguments.values()), double(*arguments.values()), 1e-6)
    compiled(*arguments.values()).sum().backward()
    assert all(argument.grad.isfinite().all() for argument in arguments.values())


@on_gpu
def test_gpu_more_elements_than_32_bits_count():
    """The end of a long scan that forgets at once, against the scan of its end alone."""
    from cuescan.scan.triton_gpu import selective_scan_triton

    dim, length, end = 1024, 2**21 + 100, 64
    if torch.cuda.mem_get_info()[0] < 60 * 2**30:
        pytest.skip("needs 60 GiB on the device")
    device, dtype = GPU_SIZES["device"], torch.bfloat16
    generator = torch.Generator(device).manual_seed(0)
    u = torch.randn(1, length, dim, device=device, dtype=dtype, generator=generator).transpose(1, 2)
    weights = torch.randn(2, 1, 1, 1, 1, length, device=device, dtype=dtype, generator=generator)
    A = torch.full((1, dim, 1), -50.0, device=device)

    def run(start):
        given = [part[..., start:].detach().requires_grad_() for part in (u, *weights)]
        delta = torch.ones_like(given[0]).unsqueeze(1)
        y, _ = selective_scan_triton(given[0], delta, A, given[1], given[2], None, None, False, None)
        return y, *torch.autograd.grad(y, given, torch.ones_like(y))

    for whole, part in zip(run(0), run(length - end), strict=True):
        assert_close(whole[..., -end:], part, 1e-2)
