import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.traffic import MINIMUM, MODELLED, flop, traffic
from bench.schemes.four_bit_traffic import path_of, scale_bytes
from bench.schemes.traffic import Product
from tests.factories import arm

sizes = st.integers(1, 4096)
N, K = 3072, 12288


def test_fp16_reads_weights_and_activations_once() -> None:
    found = traffic(arm("fp16"), 4, N, K)
    assert found is not None
    assert found.low == found.high == 2 * N * K + 2 * 4 * K + 2 * 4 * N
    assert found.label == MODELLED


def test_fp32_is_twice_as_wide() -> None:
    wide, narrow = traffic(arm("fp32"), 4, N, K), traffic(arm("fp16"), 4, N, K)
    assert wide is not None and narrow is not None and wide.low == 2 * narrow.low


def test_int8_without_outlier_detection() -> None:
    found = traffic(arm("int8-thr0"), 2, N, K)
    assert found is not None and found.low == N * K + 4 * 2 * K + 10 * 2 * N + 4 * N


def test_int8_with_detection_and_planted_outliers() -> None:
    plain, planted = traffic(arm("int8"), 2, N, K), traffic(arm("int8-planted"), 2, N, K)
    base = N * K + 4 * 2 * K + 10 * 2 * N + 4 * N + 8 * 2 * K
    assert plain is not None and plain.low == base
    assert planted is not None and planted.low == base + 54 * N * 6 + 8 * 2 * N


@pytest.mark.parametrize(("scheme", "scales"), [("nf4", 4 / 64), ("nf4-dq", 1 / 64 + 4 / (256 * 64))])
def test_one_row_in_4_bit_reads_the_packed_weights_once(scheme: str, scales: float) -> None:
    found = traffic(arm(scheme), 1, N, K)
    assert scale_bytes(arm(scheme)) == scales
    assert found is not None and found.low == found.high == N * K * (0.5 + scales) + 2 * K + 2 * N


def test_simt_reads_the_weights_again_for_every_eight_rows() -> None:
    once, thrice = traffic(arm("nf4"), 8, N, K, path="simt"), traffic(arm("nf4"), 17, N, K, path="simt")
    assert once is not None and thrice is not None
    assert thrice.terms[0].low == 3 * once.terms[0].low


def test_the_fallback_writes_and_rereads_a_plain_matrix() -> None:
    found = traffic(arm("nf4"), 64, N, K, path="fallback")
    packed, rest = N * K * (0.5 + 4 / 64), 2 * 64 * (N + K)
    assert found is not None
    assert found.high == packed + 4 * N * K + rest
    assert found.low == packed + 2 * N * K + rest  # the re-read hits the cache


def test_float32_compute_on_a_float16_model_casts() -> None:
    odd = arm("fp4") | {"compute_dtype": "float32"}
    found = traffic(odd, 1, N, K)
    assert found is not None and any("cast" in term.name for term in found.terms)


@pytest.mark.parametrize(
    ("m", "n", "k", "extra", "sms", "expected"),
    [
        (1, N, K, {}, 132, "simt"),
        (4, N, K, {}, None, "simt"),
        (5, N, K, {}, None, "any"),
        (6, 3072, 12288, {}, 132, "fallback"),
        (7, 3072, 3072, {}, 132, "any"),
        (8, 3072, 3072, {}, 132, "fallback"),
        (8, 3072, 3072, {}, 108, "any"),
        (32, 12288, 3072, {}, 132, "any"),
        (33, 12288, 3072, {}, 132, "fallback"),
        (1537, N, K, {}, None, "fallback"),
        (1, N, 100, {}, None, "fallback"),
        (7, N, K, {"compute_dtype": "float32"}, None, "simt"),
        (8, N, K, {"compute_dtype": "float32"}, None, "fallback"),
    ],
)
def test_the_path_is_named_only_where_it_is_documented(
    m: int, n: int, k: int, extra: dict[str, str], sms: int | None, expected: str
) -> None:
    assert path_of(arm("nf4") | extra, Product(m, n, k, multiprocessors=sms)) == expected


@given(st.integers(1, 1536), sizes, st.integers(1, 64).map(lambda x: 64 * x))
def test_an_unknown_path_spans_every_possible_one(m: int, n: int, k: int) -> None:
    paths = [traffic(arm("nf4"), m, n, k, path=path) for path in ("simt", "mma", "fallback")]
    known = [found for found in paths if found is not None]
    spanned = traffic(arm("nf4"), m, n, k, path="any")
    assert spanned is not None and len(known) == 3
    assert spanned.low == pytest.approx(min(found.low for found in known))
    assert spanned.high == pytest.approx(max(found.high for found in known))


@given(st.sampled_from(["fp32", "fp16", "int8", "int8-thr0", "nf4", "nf4-dq"]), sizes, sizes, sizes)
def test_a_cpu_is_held_against_the_minimum_only(scheme: str, m: int, n: int, k: int) -> None:
    minimum, gpu = traffic(arm(scheme), m, n, k, device="cpu"), traffic(arm(scheme), m, n, k)
    assert minimum is not None and gpu is not None
    assert minimum.label == MINIMUM and minimum.low == minimum.high
    assert minimum.low <= gpu.high


@given(st.sampled_from(["fp16", "int8", "nf4"]), st.integers(1, 500), sizes, sizes)
def test_more_rows_never_move_fewer_bytes(scheme: str, m: int, n: int, k: int) -> None:
    fewer, more = traffic(arm(scheme), m, n, k, path="simt"), traffic(arm(scheme), m + 1, n, k, path="simt")
    assert fewer is not None and more is not None and fewer.low < more.low


def test_steps_alone() -> None:
    dequantise = traffic(arm("nf4"), 1, N, K, op="dequantise")
    assert dequantise is not None and dequantise.low == N * K * (0.5 + 4 / 64) + 2 * N * K
    quantise = traffic(arm("int8"), 2, N, K, op="quantise_activations")
    assert quantise is not None and quantise.low == 2 * 2 * K + 2 * K + 8
    gemm = traffic(arm("int8"), 2, N, K, op="gemm")
    assert gemm is not None and gemm.low == N * K + 2 * K + 4 * 2 * N
    after = traffic(arm("int8"), 2, N, K, op="dequantise")
    assert after is not None and after.low == 4 * 2 * N + 2 * 2 * N + 4 * (2 + N)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize(
    ("scheme", "op", "more"),
    [
        ("fp32", "linear", 4 * N), ("fp16", "linear", 2 * N), ("int8", "linear", 2 * N), ("int8", "dequantise", 2 * N),
        ("int8", "gemm", 0), ("int8", "quantise_activations", 0), ("nf4", "linear", 2 * N), ("nf4", "gemm", 2 * N),
        ("nf4", "dequantise", 0),
    ],
)  # fmt: skip
def test_a_bias_is_read_by_the_step_that_adds_it(device: str, scheme: str, op: str, more: int) -> None:
    without = traffic(arm(scheme), 3, N, K, op=op, device=device)
    found = traffic(arm(scheme), 3, N, K, op=op, device=device, bias=True)
    assert without is not None and found is not None
    assert (found.low - without.low, found.high - without.high) == (more, more)
    assert found.label == without.label


def test_int4_adds_its_bias_in_a_kernel_of_its_own_on_a_gpu() -> None:
    tiny = {"kind": "int4", "dtype": "bfloat16", "blocksize": 128}
    without, found = traffic(tiny, 3, N, K), traffic(tiny, 3, N, K, bias=True)
    assert without is not None and found is not None and found.low - without.low == 2 * N + 2 * 2 * 3 * N


def test_no_model_no_figure() -> None:
    assert traffic({"kind": "ternary"}, 1, N, K) is None
    assert traffic(arm("nf4"), 1, N, K, op="unheard-of") is None
    assert traffic(arm("fp16"), 1, N, K, op="dequantise") is None


def test_a_token_of_starcoder2_3b_moves_the_bytes_that_the_facts_give() -> None:
    """30 layers of 3072 wide, 256-wide key and value, 12288-wide MLP; the 49,152-row output layer stays in 16 bits."""
    shapes = [(3072, 3072), (3072, 3072), (256, 3072), (256, 3072), (12288, 3072), (3072, 12288)]
    head = 2 * 49152 * 3072

    def gigabytes(scheme: str) -> float:
        layers = [traffic(arm(scheme), 1, n, k) for n, k in shapes]
        return (30 * sum(found.low for found in layers if found) + head) / 1e9

    assert gigabytes("fp16") == pytest.approx(6.06, abs=0.02)
    assert gigabytes("int8-thr0") == pytest.approx(3.18, abs=0.03)
    assert gigabytes("nf4") == pytest.approx(1.92, abs=0.02)
    assert gigabytes("nf4-dq") == pytest.approx(1.79, abs=0.02)


def test_a_product_is_two_operations_per_element() -> None:
    assert flop(2, 3, 5) == 60
