from dataclasses import dataclass, field
from enum import Enum, IntEnum

def build(source: Source, config: BuilderConfig | None=None, *, progress: ProgressMonitor | None=None) -> Plan:
    ...

@dataclass(frozen=True)
class BuilderConfig:
    target: str = 'cpu'
    threads: int | None = None
    level: int = 3
    profiles: Sequence[Profile] = field(default_factory=tuple)
    timing_cache: str | None = None
    error_on_timing_cache_miss: bool = False
    allow_nondeterministic: bool = False
    replace: str | Sequence[str] = 'unsupported'
    allow_unverified: bool = False
    recipe: str | None = None
    runtime: str = 'standard'

@dataclass(frozen=True)
class Profile:
    shapes: Mapping[str, Sequence[int] | tuple[Sequence[int], Sequence[int], Sequence[int]]]
    name: str = ''

    def ranges(self, network: Network) -> dict[str, list[Range]]:
        ...

def rebuild(old: PathLike, *, model: PathLike | None=None, profiles: Sequence[Profile] | None=None, timing_cache: str | None=None, trust: Trust=None, progress: ProgressMonitor | None=None) -> Rebuilt:
    ...

@dataclass(frozen=True, eq=False)
class Rebuilt:
    plan: Plan
    model: str
    outputs: tuple[OutputComparison, ...]

@dataclass(frozen=True, slots=True)
class BuildReport:
    passes: tuple[PassRecord, ...] = ()
    layers: tuple[LayerReport, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    timings_measured: int = 0
    timings_cached: int = 0
    timings: str = 'measured'
    replacements: tuple[ReplacementReport, ...] = ()

    @property
    def reference_steps(self) -> tuple[str, ...]:
        ...

@dataclass(frozen=True, slots=True)
class LayerReport:
    layer: str
    operator: str
    tactic: str
    kernel: str
    sources: tuple[str, ...]
    candidates: tuple[Timing, ...] = ()
    rejected: tuple[RejectedTactic, ...] = ()

@dataclass(frozen=True, slots=True)
class Timing:
    tactic: str
    kernel: str
    nanoseconds: int | None = None

def load(source: str | os.PathLike[str] | bytes | bytearray | memoryview | Plan, *, threads: int | None=None, verify: str='full', mmap: bool=True, trust: Trust=None, on_mismatch: str='raise', runtime: str='standard') -> Engine:
    ...

@dataclass(frozen=True, eq=False)
class Plan:
    meta: Meta
    weights: npt.NDArray[np.uint8]
    passport: Passport
    report: Any = field(default=None, repr=False)
    origin: Mapping[Section, bytes | memoryview] = field(default_factory=dict, repr=False)
    kind: Kind = Kind.PLAN
    lazy: LazyWeights | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        ...

    def save(self, path: PathLike) -> None:
        ...

    def to_bytes(self) -> bytes:
        ...

    @staticmethod
    def load(source: PathLike | bytes | bytearray | memoryview, *, verify: str='full', mmap: bool=True, trust: Trust=None) -> Plan:
        ...

    @staticmethod
    def decode(artifact: Artifact) -> Plan:
        ...

class TimingCache(Mapping[str, TimingEntry]):

    def __init__(self, path: PathLike | None=None) -> None:
        ...

    @staticmethod
    def load(source: PathLike | bytes | bytearray | memoryview) -> TimingCache:
        ...

    @staticmethod
    def named(path: PathLike) -> TimingCache:
        ...

    @staticmethod
    def default() -> TimingCache:
        ...

    def save(self, path: PathLike | None=None, *, replace: bool=False) -> None:
        ...

    def to_bytes(self) -> bytes:
        ...

    def to_text(self) -> str:
        ...

    @staticmethod
    def from_text(text: str, where: str='text') -> TimingCache:
        ...

    def record(self, description: TimingDescription, timings: Mapping[str, TacticTime]) -> TimingEntry:
        ...

    def merge(self, *others: Mapping[str, TimingEntry]) -> None:
        ...

    def pin(self, key: str, tactic: str | None) -> None:
        ...

class TimingEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    key: str
    description: TimingDescription
    timings: dict[str, TacticTime]
    pinned: str | None = None

    @property
    def fastest(self) -> str | None:
        ...

class TimingDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: str
    fields: dict[str, str]
    inputs: list[str]
    kernel_library: str
    plugins: dict[str, str]
    device: dict[str, str]
    clock: str

    @property
    def key(self) -> str:
        ...

    @property
    def title(self) -> str:
        ...

class TacticTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    nanoseconds: int
    samples: int

class CalibrationCache(Mapping[str, TensorRange]):

    def __init__(self, graph: str, ranges: Mapping[str, TensorRange]) -> None:
        ...

    @staticmethod
    def load(source: PathLike | bytes | bytearray | memoryview) -> CalibrationCache:
        ...

    def save(self, path: PathLike) -> None:
        ...

    def to_bytes(self) -> bytes:
        ...

    def check(self, graph: str, where: str='') -> None:
        ...

@dataclass(frozen=True, slots=True)
class TensorRange:
    scale: float
    zero_point: int
    method: str
    samples: int
    data: str
    dtype: DataType = int8

def sign(path: str | os.PathLike[str], key: str | os.PathLike[str], *, password: bytes | None=None) -> str:
    ...

class Engine:

    def __init__(self, plan: Plan, *, threads: int | None=None) -> None:
        ...

    @property
    def loaded(self) -> LoadedPlan:
        ...

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        ...

    def create_context(self) -> Context:
        ...

    def close(self) -> None:
        ...

class Context:

    def __init__(self, engine: Engine) -> None:
        ...

    def bind_input(self, name: str, array: Array) -> None:
        ...

    def bind_output(self, name: str, array: Array | None) -> None:
        ...

    def run(self) -> None:
        ...

    def output(self, name: str) -> Array:
        ...

    def output_shape(self, name: str) -> tuple[int, ...]:
        ...

    @property
    def active_profile(self) -> int:
        ...

    @property
    @deprecated('EW-D0002: use Context.active_profile')
    def profile(self) -> int:
        ...

    @property
    def memory(self) -> int:
        ...

    def start_step_times(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        ...

    def stop_step_times(self) -> None:
        ...

    def infer(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        ...

    def close(self) -> None:
        ...

class SafeEngine(Engine):

    def __init__(self, plan: Plan, *, threads: int | None=None) -> None:
        ...

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        ...

    def create_context(self) -> Context:
        ...

    def close(self) -> None:
        ...

def parse(source: str | os.PathLike[str] | bytes | onnx.ModelProto, replacer: Replacer | None=None) -> Network:
    ...

def graph_digest(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> str:
    ...

def verify(source: Source, *, against: str='onnxruntime', inputs: Arrays | None=None, shapes: Mapping[str, Sequence[int]] | None=None, cases: int=1, seed: int=0, rtol: float | None=None, atol: float=0.0, layers: bool=False, config: BuilderConfig | None=None, progress: ProgressMonitor | None=None) -> Verification:
    ...

@dataclass(frozen=True, slots=True)
class Verification:
    subject: str
    against: str
    cases: int
    rtol: float
    atol: float
    inputs: Mapping[str, str]
    outputs: tuple[OutputComparison, ...]
    divergence: Divergence | None = None

    @property
    def passed(self) -> bool:
        ...

    @property
    def error(self) -> float:
        ...

@dataclass(frozen=True, slots=True)
class OutputComparison:
    name: str
    dtype: str
    shape: tuple[int, ...]
    error: float
    largest: float
    same_argmax: float | None
    passed: bool
    note: str = ''

@dataclass(frozen=True, slots=True)
class Divergence:
    first: TensorDifference | None
    tensors: tuple[TensorDifference, ...]
    fused: bool = False

@dataclass(frozen=True, slots=True)
class TensorDifference:
    tensor: str
    node: str
    comparison: OutputComparison

def bench(source: Source, *, peers: Sequence[str]=(), inputs: Arrays | None=None, shapes: Mapping[str, Sequence[int]] | None=None, effort: Effort | None=None, profile: bool=False, config: BuilderConfig | None=None, progress: ProgressMonitor | None=None) -> Benchmark:
    ...

@dataclass(frozen=True, slots=True)
class Benchmark:
    subject: str
    threads: int
    streams: int
    inputs: Mapping[str, str]
    throughput: float
    latency: Times
    walltime_seconds: float
    compute_seconds: float
    build_seconds: float
    load_milliseconds: float
    peak_memory_bytes: int
    context_memory_bytes: int
    clock_mhz: tuple[float, float]
    other_load: float
    peers: tuple[PeerTimes, ...]
    profile: StepProfile | None
    advice: tuple[Advice, ...]

@dataclass(frozen=True)
class Effort:
    warmup: float = 200.0
    duration: float = 3.0
    iterations: int = 10
    streams: int = 1

@dataclass(frozen=True, slots=True)
class PeerTimes:
    name: str
    ours: Times | None
    latency: Times | None
    ratio: float | None
    significant: bool
    error: str = ''

def inspect(source: Source, *, tune: bool=True, config: BuilderConfig | None=None, progress: ProgressMonitor | None=None) -> Inspection:
    ...

def check_support(source: Source) -> Inspection:
    ...

@deprecated('EW-D0001: use check_support')
def coverage(source: Source) -> Inspection:
    ...

def replacements(source: Source, *, config: BuilderConfig | None=None) -> Inspection:
    ...

@dataclass(frozen=True, slots=True)
class Inspection:
    subject: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    passes: tuple[PassRecord, ...] = ()
    layers: tuple[LayerInfo, ...] = ()
    choices: tuple[LayerReport, ...] = ()
    steps: tuple[StepInfo, ...] = ()
    memory: MemoryInfo | None = None
    unsupported: tuple[UnsupportedNode, ...] = ()
    nodes: int = 0
    replacements: tuple[ReplacementReport, ...] = ()

@dataclass(frozen=True, slots=True)
class LayerInfo:
    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...] = ()

@dataclass(frozen=True, slots=True)
class StepInfo:
    layer: str
    kernel: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sources: tuple[str, ...]

@dataclass(frozen=True, slots=True)
class MemoryInfo:
    weights: int
    tensors: int
    storages: int
    peak: int | None

def diagnose() -> Diagnosis:
    ...

@dataclass(frozen=True, slots=True)
class Diagnosis:
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        ...

@dataclass(frozen=True, slots=True)
class Finding:
    topic: str
    name: str
    value: str
    problem: str = ''

@dataclass(frozen=True, slots=True)
class StepProfile:
    runs: int
    steps: tuple[StepTime, ...]
    total: float

    @property
    def sum(self) -> float:
        ...

    @property
    def agrees(self) -> bool:
        ...

    @property
    def slowest(self) -> tuple[StepTime, ...]:
        ...

    @property
    def python_share(self) -> float:
        ...

@dataclass(frozen=True, slots=True)
class StepTime:
    step: int
    layer: str
    kernel: str
    sources: tuple[str, ...]
    milliseconds: float
    share: float

@dataclass(frozen=True, slots=True)
class Times:
    count: int
    min: float
    max: float
    mean: float
    median: float
    p25: float
    p75: float
    p90: float
    p95: float
    p99: float
    variation: float

    @staticmethod
    def of(nanoseconds: Sequence[int]) -> Times:
        ...

    def differs(self, other: Times) -> bool:
        ...

class OperatorMethods:

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str='') -> Tensor:
        ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str='') -> tuple[Tensor, ...]:
        ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str='') -> Any:
        ...

    def abs(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def acos(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def acosh(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def and_(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def argmax(self, x: Tensor, *, axis: int=0, keepdims: int=1, select_last_index: int=0, name: str='') -> Tensor:
        ...

    def argmin(self, x: Tensor, *, axis: int=0, keepdims: int=1, select_last_index: int=0, name: str='') -> Tensor:
        ...

    def asin(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def asinh(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def atan(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def atanh(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None=None, lengths: Tensor | None=None, *, scale: float=0.0, is_causal: bool=False, bottom_right: bool=False, softcap: float=0.0, left_window: int=-1, right_window: int=-1, name: str='') -> Tensor:
        ...

    def average_pool(self, x: Tensor, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', kernel_shape: tuple[int, ...]=(), ceil_mode: bool=False, count_include_pad: bool=False, name: str='') -> Tensor:
        ...

    def batch_normalization(self, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float=1e-05, name: str='') -> Tensor:
        ...

    def bernoulli(self, x: Tensor, *, dtype: DataType | None=None, seed: float=0.0, name: str='') -> Tensor:
        ...

    def bit_cast(self, x: Tensor, *, to: DataType, name: str='') -> Tensor:
        ...

    def bit_shift(self, a: Tensor, b: Tensor, *, direction: str, name: str='') -> Tensor:
        ...

    def bitwise_and(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def bitwise_not(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def bitwise_or(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def bitwise_xor(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def cast(self, x: Tensor, *, to: DataType, saturate: bool=True, round_mode: str='up', name: str='') -> Tensor:
        ...

    def ceil(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def celu(self, x: Tensor, *, alpha: float=1.0, name: str='') -> Tensor:
        ...

    def center_crop_pad(self, x: Tensor, shape: Tensor, *, axes: tuple[int, ...] | None=None, name: str='') -> Tensor:
        ...

    def clip(self, x: Tensor, low: Tensor | None=None, high: Tensor | None=None, *, name: str='') -> Tensor:
        ...

    def col2im(self, x: Tensor, image_shape: Tensor, block_shape: Tensor, *, dilations: tuple[int, ...]=(), pads: tuple[int, ...]=(), strides: tuple[int, ...]=(), name: str='') -> Tensor:
        ...

    def compress(self, x: Tensor, condition: Tensor, *, axis: int | None=None, name: str='') -> Tensor:
        ...

    def concat(self, *inputs: Tensor | None, axis: int=0, name: str='') -> Tensor:
        ...

    def constant_of_shape(self, shape: Tensor, *, value: int | float=0.0, dtype: DataType=DataType.FLOAT32, name: str='') -> Tensor:
        ...

    def conv(self, x: Tensor, w: Tensor, b: Tensor | None=None, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', group: int=1, name: str='') -> Tensor:
        ...

    def conv_integer(self, x: Tensor, w: Tensor, x_zero_point: Tensor | None=None, w_zero_point: Tensor | None=None, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', group: int=1, name: str='') -> Tensor:
        ...

    def conv_transpose(self, x: Tensor, w: Tensor, b: Tensor | None=None, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', group: int=1, output_padding: int | tuple[int, ...]=0, output_shape: tuple[int, ...]=(), name: str='') -> Tensor:
        ...

    def cos(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def cosh(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def cumprod(self, x: Tensor, axis: Tensor, *, exclusive: int=0, reverse: int=0, name: str='') -> Tensor:
        ...

    def cumsum(self, x: Tensor, axis: Tensor, *, exclusive: int=0, reverse: int=0, name: str='') -> Tensor:
        ...

    def dft(self, x: Tensor, dft_length: Tensor | None=None, axis: Tensor | None=None, *, inverse: bool=False, onesided: bool=False, name: str='') -> Tensor:
        ...

    def deform_conv(self, x: Tensor, w: Tensor, offset: Tensor, b: Tensor | None=None, mask: Tensor | None=None, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', group: int=1, offset_group: int=1, name: str='') -> Tensor:
        ...

    def depth_to_space(self, x: Tensor, *, blocksize: int, mode: str='DCR', name: str='') -> Tensor:
        ...

    def dequantize_linear(self, x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None=None, *, axis: int=1, block_size: int=0, output_dtype: DataType | None=None, name: str='') -> Tensor:
        ...

    def det(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def div(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def dynamic_quantize_lstm(self, x: Tensor, w: Tensor, r: Tensor, w_scale: Tensor, w_zero_point: Tensor, r_scale: Tensor, r_zero_point: Tensor, b: Tensor | None=None, sequence_lens: Tensor | None=None, initial_h: Tensor | None=None, initial_c: Tensor | None=None, p: Tensor | None=None, *, direction: str='forward', layout: int=0, activations: tuple[str, ...]=(), activation_alpha: tuple[float, ...]=(), activation_beta: tuple[float, ...]=(), clip: float=0.0, input_forget: bool=False, name: str='') -> tuple[Tensor, Tensor, Tensor]:
        ...

    def dynamic_quantize_linear(self, x: Tensor, *, name: str='') -> tuple[Tensor, Tensor, Tensor]:
        ...

    def einsum(self, *inputs: Tensor | None, equation: str, name: str='') -> Tensor:
        ...

    def elu(self, x: Tensor, *, alpha: float=1.0, name: str='') -> Tensor:
        ...

    def equal(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def erf(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def exp(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def expand(self, x: Tensor, shape: Tensor, *, name: str='') -> Tensor:
        ...

    def eye_like(self, x: Tensor, *, dtype: DataType | None=None, k: int=0, name: str='') -> Tensor:
        ...

    def flatten(self, x: Tensor, *, axis: int=1, name: str='') -> Tensor:
        ...

    def floor(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def gru(self, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None=None, sequence_lens: Tensor | None=None, initial_h: Tensor | None=None, *, direction: str='forward', layout: int=0, activations: tuple[str, ...]=(), activation_alpha: tuple[float, ...]=(), activation_beta: tuple[float, ...]=(), clip: float=0.0, linear_before_reset: bool=False, name: str='') -> tuple[Tensor, Tensor]:
        ...

    def gather(self, data: Tensor, indices: Tensor, *, axis: int=0, name: str='') -> Tensor:
        ...

    def gather_elements(self, data: Tensor, indices: Tensor, *, axis: int=0, name: str='') -> Tensor:
        ...

    def gather_nd(self, data: Tensor, indices: Tensor, *, batch_dims: int=0, name: str='') -> Tensor:
        ...

    def gelu(self, x: Tensor, *, approximate: str='none', name: str='') -> Tensor:
        ...

    def gemm(self, a: Tensor, b: Tensor, c: Tensor | None=None, *, alpha: float=1.0, beta: float=1.0, trans_a: bool=False, trans_b: bool=False, name: str='') -> Tensor:
        ...

    def global_average_pool(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def global_lp_pool(self, x: Tensor, *, p: int=2, name: str='') -> Tensor:
        ...

    def global_max_pool(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def greater(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def greater_or_equal(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def grid_sample(self, x: Tensor, grid: Tensor, *, mode: str='linear', padding_mode: str='zeros', align_corners: bool=False, name: str='') -> Tensor:
        ...

    def group_normalization(self, x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float=1e-05, stash_type: int=1, name: str='') -> Tensor:
        ...

    def hard_sigmoid(self, x: Tensor, *, alpha: float=0.2, beta: float=0.5, name: str='') -> Tensor:
        ...

    def hard_swish(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def hardmax(self, x: Tensor, *, axis: int=-1, name: str='') -> Tensor:
        ...

    def identity(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def if_(self, cond: Tensor, *captures: Tensor | None, then_branch: Network, else_branch: Network, name: str='') -> tuple[Tensor, ...]:
        ...

    def instance_normalization(self, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float=1e-05, name: str='') -> Tensor:
        ...

    def isinf(self, x: Tensor, *, detect_negative: int=1, detect_positive: int=1, name: str='') -> Tensor:
        ...

    def isnan(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def lrn(self, x: Tensor, *, size: int, alpha: float=0.0001, beta: float=0.75, bias: float=1.0, name: str='') -> Tensor:
        ...

    def lstm(self, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None=None, sequence_lens: Tensor | None=None, initial_h: Tensor | None=None, initial_c: Tensor | None=None, p: Tensor | None=None, *, direction: str='forward', layout: int=0, activations: tuple[str, ...]=(), activation_alpha: tuple[float, ...]=(), activation_beta: tuple[float, ...]=(), clip: float=0.0, input_forget: bool=False, name: str='') -> tuple[Tensor, Tensor, Tensor]:
        ...

    def layer_normalization(self, x: Tensor, scale: Tensor, bias: Tensor | None=None, *, axis: int=-1, epsilon: float=1e-05, stash_type: int=1, name: str='') -> tuple[Tensor, Tensor, Tensor]:
        ...

    def leaky_relu(self, x: Tensor, *, alpha: float=0.01, name: str='') -> Tensor:
        ...

    def less(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def less_or_equal(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def log(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def log_softmax(self, x: Tensor, *, axis: int=-1, name: str='') -> Tensor:
        ...

    def loop(self, trip_count: Tensor | None=None, cond: Tensor | None=None, *values: Tensor | None, body: Network, n_carried: int, n_scan: int=0, name: str='') -> tuple[Tensor, ...]:
        ...

    def lp_normalization(self, x: Tensor, *, axis: int=-1, p: int=2, name: str='') -> Tensor:
        ...

    def lp_pool(self, x: Tensor, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', kernel_shape: tuple[int, ...]=(), ceil_mode: bool=False, p: int=2, name: str='') -> Tensor:
        ...

    def matmul(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def mat_mul_integer(self, a: Tensor, b: Tensor, a_zero_point: Tensor | None=None, b_zero_point: Tensor | None=None, *, name: str='') -> Tensor:
        ...

    def max(self, *xs: Tensor | None, name: str='') -> Tensor:
        ...

    def max_pool(self, x: Tensor, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', kernel_shape: tuple[int, ...]=(), ceil_mode: bool=False, name: str='') -> Tensor:
        ...

    def max_pool_with_indices(self, x: Tensor, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', kernel_shape: tuple[int, ...]=(), ceil_mode: bool=False, storage_order: int=0, name: str='') -> tuple[Tensor, Tensor]:
        ...

    def max_roi_pool(self, x: Tensor, rois: Tensor, *, pooled_shape: tuple[int, int], spatial_scale: float=1.0, name: str='') -> Tensor:
        ...

    def max_unpool(self, x: Tensor, indices: Tensor, output_shape: Tensor | None=None, *, kernel_shape: tuple[int, ...], stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, name: str='') -> Tensor:
        ...

    def mean(self, *xs: Tensor | None, name: str='') -> Tensor:
        ...

    def mel_weight_matrix(self, num_mel_bins: Tensor, dft_length: Tensor, sample_rate: Tensor, lower_edge_hertz: Tensor, upper_edge_hertz: Tensor, *, output_datatype: DataType=DataType.FLOAT32, name: str='') -> Tensor:
        ...

    def min(self, *xs: Tensor | None, name: str='') -> Tensor:
        ...

    def mish(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def mod(self, a: Tensor, b: Tensor, *, fmod: int=0, name: str='') -> Tensor:
        ...

    def mul(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def multinomial(self, x: Tensor, *, sample_size: int=1, seed: float=0.0, dtype: DataType=DataType.INT32, name: str='') -> Tensor:
        ...

    def neg(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def non_max_suppression(self, boxes: Tensor, scores: Tensor, max_output_boxes_per_class: Tensor | None=None, iou_threshold: Tensor | None=None, score_threshold: Tensor | None=None, *, center_point_box: bool=False, name: str='') -> Tensor:
        ...

    def nonzero(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def not_(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def one_hot(self, indices: Tensor, depth: Tensor, values: Tensor, *, axis: int=-1, name: str='') -> Tensor:
        ...

    def or_(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def prelu(self, x: Tensor, slope: Tensor, *, name: str='') -> Tensor:
        ...

    def pad(self, data: Tensor, pads: Tensor, constant_value: Tensor | None=None, axes: Tensor | None=None, *, mode: str='constant', name: str='') -> Tensor:
        ...

    def pow(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def q_linear_conv(self, x: Tensor, x_scale: Tensor, x_zero_point: Tensor, w: Tensor, w_scale: Tensor, w_zero_point: Tensor, y_scale: Tensor, y_zero_point: Tensor, b: Tensor | None=None, *, stride: int | tuple[int, ...]=1, padding: int | tuple[int, ...]=0, dilation: int | tuple[int, ...]=1, auto_pad: str='NOTSET', group: int=1, name: str='') -> Tensor:
        ...

    def q_linear_mat_mul(self, a: Tensor, a_scale: Tensor, a_zero_point: Tensor, b: Tensor, b_scale: Tensor, b_zero_point: Tensor, y_scale: Tensor, y_zero_point: Tensor, *, name: str='') -> Tensor:
        ...

    def quantize_linear(self, x: Tensor, y_scale: Tensor, y_zero_point: Tensor | None=None, *, axis: int=1, block_size: int=0, output_dtype: DataType=DataType.UINT8, saturate: bool=True, name: str='') -> Tensor:
        ...

    def rms_normalization(self, x: Tensor, scale: Tensor, *, axis: int=-1, epsilon: float=1e-05, stash_type: int=1, name: str='') -> Tensor:
        ...

    def rnn(self, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None=None, sequence_lens: Tensor | None=None, initial_h: Tensor | None=None, *, direction: str='forward', layout: int=0, activations: tuple[str, ...]=(), activation_alpha: tuple[float, ...]=(), activation_beta: tuple[float, ...]=(), clip: float=0.0, name: str='') -> tuple[Tensor, Tensor]:
        ...

    def random_normal(self, *, shape: tuple[int, ...], mean: float=0.0, scale: float=1.0, seed: float=0.0, dtype: DataType=DataType.FLOAT32, name: str='') -> Tensor:
        ...

    def random_normal_like(self, x: Tensor, *, mean: float=0.0, scale: float=1.0, seed: float=0.0, dtype: DataType | None=None, name: str='') -> Tensor:
        ...

    def random_uniform(self, *, shape: tuple[int, ...], low: float=0.0, high: float=1.0, seed: float=0.0, dtype: DataType=DataType.FLOAT32, name: str='') -> Tensor:
        ...

    def random_uniform_like(self, x: Tensor, *, low: float=0.0, high: float=1.0, seed: float=0.0, dtype: DataType | None=None, name: str='') -> Tensor:
        ...

    def range(self, start: Tensor, limit: Tensor, delta: Tensor, *, name: str='') -> Tensor:
        ...

    def reciprocal(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def reduce_l1(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_l2(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_log_sum(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_log_sum_exp(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_max(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_mean(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_min(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_prod(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_sum(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def reduce_sum_square(self, x: Tensor, axes: Tensor | None=None, *, keepdims: int=1, noop_with_empty_axes: int=0, name: str='') -> Tensor:
        ...

    def regex_full_match(self, x: Tensor, *, pattern: str, name: str='') -> Tensor:
        ...

    def relu(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def reshape(self, data: Tensor, shape: Tensor, *, allowzero: bool=False, name: str='') -> Tensor:
        ...

    def resize(self, x: Tensor, roi: Tensor | None=None, scales: Tensor | None=None, sizes: Tensor | None=None, *, mode: str='nearest', coordinate_transformation_mode: str='half_pixel', nearest_mode: str='round_prefer_floor', cubic_coeff_a: float=-0.75, exclude_outside: bool=False, extrapolation_value: float=0.0, antialias: bool=False, axes: tuple[int, ...]=(), keep_aspect_ratio_policy: str='stretch', name: str='') -> Tensor:
        ...

    def reverse_sequence(self, x: Tensor, sequence_lens: Tensor, *, batch_axis: int=1, time_axis: int=0, name: str='') -> Tensor:
        ...

    def roi_align(self, x: Tensor, rois: Tensor, batch_indices: Tensor, *, coordinate_transformation_mode: str='half_pixel', mode: str='avg', output_height: int=1, output_width: int=1, sampling_ratio: int=0, spatial_scale: float=1.0, name: str='') -> Tensor:
        ...

    def round(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def stft(self, signal: Tensor, frame_step: Tensor, window: Tensor | None=None, frame_length: Tensor | None=None, *, onesided: bool=True, name: str='') -> Tensor:
        ...

    def scatter_elements(self, data: Tensor, indices: Tensor, updates: Tensor, *, axis: int=0, reduction: str='none', name: str='') -> Tensor:
        ...

    def scatter_nd(self, data: Tensor, indices: Tensor, updates: Tensor, *, reduction: str='none', name: str='') -> Tensor:
        ...

    def selu(self, x: Tensor, *, alpha: float=1.6732631921768188, gamma: float=1.0507010221481323, name: str='') -> Tensor:
        ...

    def shape(self, data: Tensor, *, start: int=0, end: int | None=None, name: str='') -> Tensor:
        ...

    def shrink(self, x: Tensor, *, bias: float=0.0, lambd: float=0.5, name: str='') -> Tensor:
        ...

    def sigmoid(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def sign(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def sin(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def sinh(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def size(self, data: Tensor, *, name: str='') -> Tensor:
        ...

    def slice(self, data: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None=None, steps: Tensor | None=None, *, name: str='') -> Tensor:
        ...

    def softmax(self, x: Tensor, *, axis: int=-1, name: str='') -> Tensor:
        ...

    def softplus(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def softsign(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def space_to_depth(self, x: Tensor, *, blocksize: int, mode: str='DCR', name: str='') -> Tensor:
        ...

    def split(self, x: Tensor, split: Tensor | None=None, *, axis: int=0, num_outputs: int=0, name: str='') -> tuple[Tensor, ...]:
        ...

    def sqrt(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def squeeze(self, data: Tensor, axes: Tensor | None=None, *, name: str='') -> Tensor:
        ...

    def string_concat(self, x: Tensor, y: Tensor, *, name: str='') -> Tensor:
        ...

    def string_normalizer(self, x: Tensor, *, case_change_action: str='NONE', is_case_sensitive: bool=False, locale: str='', stopwords: tuple[str, ...]=(), name: str='') -> Tensor:
        ...

    def string_split(self, x: Tensor, *, delimiter: str='', maxsplit: int=-1, name: str='') -> tuple[Tensor, Tensor]:
        ...

    def sub(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

    def sum(self, *xs: Tensor | None, name: str='') -> Tensor:
        ...

    def swish(self, x: Tensor, *, alpha: float=1.0, name: str='') -> Tensor:
        ...

    def tan(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def tanh(self, x: Tensor, *, name: str='') -> Tensor:
        ...

    def tensor_scatter(self, past_cache: Tensor, update: Tensor, write_indices: Tensor | None=None, *, axis: int=-2, mode: str='linear', name: str='') -> Tensor:
        ...

    def tf_idf_vectorizer(self, x: Tensor, *, max_gram_length: int, min_gram_length: int, max_skip_count: int, mode: str, ngram_counts: tuple[int, ...], ngram_indexes: tuple[int, ...], pool_int64s: tuple[int, ...]=(), pool_strings: tuple[str, ...]=(), weights: tuple[float, ...]=(), name: str='') -> Tensor:
        ...

    def thresholded_relu(self, x: Tensor, *, alpha: float=1.0, name: str='') -> Tensor:
        ...

    def tile(self, x: Tensor, repeats: Tensor, *, name: str='') -> Tensor:
        ...

    def topk(self, x: Tensor, k: Tensor, *, axis: int=-1, largest: bool=True, sorted: bool=True, name: str='') -> tuple[Tensor, Tensor]:
        ...

    def transpose(self, data: Tensor, *, perm: tuple[int, ...] | None=None, name: str='') -> Tensor:
        ...

    def trilu(self, x: Tensor, k: Tensor | None=None, *, upper: bool=True, name: str='') -> Tensor:
        ...

    def unique(self, x: Tensor, *, axis: int | None=None, sorted: bool=True, name: str='') -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ...

    def unsqueeze(self, data: Tensor, axes: Tensor, *, name: str='') -> Tensor:
        ...

    def where(self, condition: Tensor, x: Tensor, y: Tensor, *, name: str='') -> Tensor:
        ...

    def xor(self, a: Tensor, b: Tensor, *, name: str='') -> Tensor:
        ...

class Network(OperatorMethods):

    def __init__(self, name: str='network', *, parent: Network | None=None) -> None:
        ...

    def input(self, name: str, dtype: DataType, shape: Sequence[Size | str]) -> Tensor:
        ...

    def constant(self, array: Any, name: str='') -> Tensor:
        ...

    def output(self, name: str, tensor: Tensor) -> None:
        ...

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str='') -> Tensor:
        ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str='') -> tuple[Tensor, ...]:
        ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str='') -> Any:
        ...

    def op(self, key: str, *inputs: Tensor | None, version: int | None=None, **values: Any) -> Any:
        ...

    @contextlib.contextmanager
    def at(self, layer: Layer | None=None, *, sources: Iterable[str]=(), label: str='') -> Iterator[None]:
        ...

    def replace(self, old: Tensor, new: Tensor) -> None:
        ...

    def make_constant(self, tensor: Tensor, array: Array) -> None:
        ...

    def remove(self, layers: Iterable[Layer]) -> None:
        ...

    def sole_reader(self, tensor: Tensor) -> Layer | None:
        ...

    def infer(self) -> None:
        ...

    def is_output(self, tensor: Tensor) -> bool:
        ...

    def nested(self) -> Iterator[tuple[Layer, str, Network]]:
        ...

    def evaluate(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        ...

@dataclass(eq=False)
class Layer:
    name: str
    op: Any
    inputs: list[Tensor | None]
    outputs: list[Tensor] = field(default_factory=list)
    sources: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def key(self) -> Key:
        ...

    @property
    def kind(self) -> str:
        ...

@dataclass(eq=False)
class Tensor:
    name: str
    spec: TensorSpec
    producer: Layer | None = None
    const: Array | None = None
    readers: list[Layer] = field(default_factory=list)

    @property
    def dtype(self) -> DataType:
        ...

    @property
    def shape(self) -> Shape:
        ...

    @property
    def rank(self) -> int:
        ...

class Pattern(OperatorMethods):

    def __init__(self) -> None:
        ...

    def value(self, name: str) -> Value:
        ...

    def constant(self, what: Any, *, shape: tuple[int, ...] | None=None, dtype: DataType | None=None) -> Value:
        ...

    def attribute(self, name: str, default: Any=MISSING) -> Any:
        ...

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str='') -> Tensor:
        ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str='') -> tuple[Tensor, ...]:
        ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str='') -> Any:
        ...

    def op(self, key: str, *inputs: Tensor | None, version: int | None=None, **values: Any) -> Value:
        ...

    def node(self, name: str, *inputs: Tensor | None, outputs: int | None=None, **attributes: Any) -> Any:
        ...

    def part(self, tensor: Any) -> Part:
        ...
Value = Tensor

def replaces(pattern: Callable[..., Any], *, build: Callable[[Captures], Any] | None=None, where: Callable[[Captures], bool | str] | None=None, priority: int=0, reference: Callable[..., Any] | Mapping[str, Callable[..., Any]] | None=None) -> Callable[[type[T]], type[T]]:
    ...

@dataclass(frozen=True, slots=True)
class ReplacementReport:
    operator: str
    pattern: str
    status: str
    nodes: tuple[str, ...]
    reason: str = ''
    error: float | None = None
    cases: int = 0
    layer: str = ''

    @property
    def applied(self) -> bool:
        ...

@dataclass_transform(frozen_default=True)
def operator(key: str, *, version: int | None=None, alias: Mapping[int, str] | None=None, tolerance: float | Mapping[DataType, float] | None=None, onnx: Sequence[str]=(), deprecated: str='') -> Callable[[type[T]], type[T]]:
    ...

def tactic(target: type[Any], *, kernel: str | KernelSource, deterministic: bool=True, formats: Sequence[str | Sequence[str]]=('linear',), inplace: Mapping[int, str] | None=None) -> Callable[[Callable[..., Launch | str]], Callable[..., Launch | str]]:
    ...

def onnx_rule(name: str, *, since: int) -> Callable[[T], T]:
    ...

@dataclass(frozen=True, slots=True)
class Launch:
    params: tuple[Size | float, ...] = ()
    workspace: Size = 0
    pack: Mapping[Any, Pack] = field(default_factory=dict)
    inputs: tuple[int, ...] | None = None
    split: int | None = None
    kernel: str | None = None
    inplace: tuple[Any, ...] = ()

@dataclass(frozen=True, slots=True)
class Pack:
    kernel: str | KernelSource
    size: int
    params: tuple[int | float, ...] = ()

@dataclass(frozen=True)
class OnnxNode:
    op_type: str
    domain: str
    version: int
    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def input(self, index: int) -> Tensor:
        ...

    def optional(self, index: int) -> Tensor | None:
        ...

    def wants(self, index: int) -> bool:
        ...

    @property
    def where(self) -> str:
        ...

    def integer(self, name: str, default: int | None=None) -> int:
        ...

    def number(self, name: str, default: float | None=None) -> float:
        ...

    def text(self, name: str, default: str | None=None) -> str:
        ...

    def integers(self, name: str, default: Sequence[int] | None=None) -> tuple[int, ...]:
        ...

    def numbers(self, name: str, default: Sequence[float] | None=None) -> tuple[float, ...]:
        ...

    def texts(self, name: str, default: Sequence[str] | None=None) -> tuple[str, ...]:
        ...

    def tensor(self, name: str) -> np.ndarray[Any, Any]:
        ...

    def graph(self, name: str) -> Subgraph:
        ...

    def has(self, name: str) -> bool:
        ...
hookimpl: HookimplMarker

def c_source(text: str, symbol: str, *, flags: tuple[str, ...]=FLAGS) -> CSource:
    ...

def cuda_source(text: str, symbol: str, *, options: tuple[str, ...]=()) -> CudaSource:
    ...

def device_function(function: Callable[..., Any]) -> DeviceFunction:
    ...

def library(path: str | Path) -> Library:
    ...

def header_folder() -> Path:
    ...

class DataType(enum.IntEnum):
    FLOAT32 = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    FLOAT64 = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E4M3FNUZ = 18
    FLOAT8E5M2 = 19
    FLOAT8E5M2FNUZ = 20
    UINT4 = 21
    INT4 = 22
    FLOAT4E2M1 = 23
    FLOAT8E8M0 = 24
    UINT2 = 25
    INT2 = 26

    @property
    def numpy(self) -> np.dtype[Any]:
        ...

    @property
    def bits(self) -> int:
        ...

    @property
    def is_float(self) -> bool:
        ...

    @property
    def is_integer(self) -> bool:
        ...

    @staticmethod
    def of(dtype: Any) -> DataType:
        ...

@dataclass(frozen=True)
class TensorSpec:
    dtype: DataType
    shape: Shape = ()
    value: Value | None = None
    uid: int = field(default=-1, compare=False)
    constant: bool = field(default=False, compare=False)

    @property
    def rank(self) -> int:
        ...

    @cached_property
    def size(self) -> Size:
        ...

    @property
    def nbytes(self) -> Size:
        ...

    def with_shape(self, *shape: Size) -> TensorSpec:
        ...

    def with_dtype(self, dtype: DataType) -> TensorSpec:
        ...

    def elements(self) -> tuple[Size, ...] | None:
        ...

    def constants(self) -> tuple[int, ...] | None:
        ...

    def numbers(self) -> tuple[float, ...] | None:
        ...

    def problem(self) -> str:
        ...
float16: DataType
float32: DataType
float64: DataType
bfloat16: DataType
bool_: DataType
string: DataType
int2: DataType
int4: DataType
int8: DataType
int16: DataType
int32: DataType
int64: DataType
uint2: DataType
uint4: DataType
uint8: DataType
uint16: DataType
uint32: DataType
uint64: DataType
complex64: DataType
complex128: DataType

def verify_file(path: str | os.PathLike[str], *, trust: Trust=None) -> PlanInfo:
    ...

def dump_file(path: str | os.PathLike[str], section: str | None=None) -> dict[str, Any]:
    ...

def diff_files(left: str | os.PathLike[str], right: str | os.PathLike[str]) -> tuple[FileDifference, ...]:
    ...

@dataclass(frozen=True, slots=True)
class FileDifference:
    place: str
    left: str
    right: str

def compat_matrix(paths: Sequence[str | os.PathLike[str]]=()) -> Matrix:
    ...

@dataclass(frozen=True, slots=True)
class PlanInfo:
    path: str
    kind: str
    version: Version
    file_size: int
    signed: bool
    key_id: str
    has_code: bool
    passport: Passport | None
    sections: tuple[SectionInfo, ...]
    running: Version
    device: str
    verdict: Level
    reasons: tuple[Reason, ...]

    @property
    def rebuild(self) -> str:
        ...

    def exit_code(self, *, strict: bool=False) -> int:
        ...

@dataclass(frozen=True, slots=True)
class SectionInfo:
    name: str
    size: int
    digest: str

def plan_info(path: str | os.PathLike[str], *, against: str | None=None, device: str | None=None, trust: Trust=None) -> PlanInfo:
    ...

def read_public_keys(path: str | os.PathLike[str]) -> tuple[bytes, ...]:
    ...

class ProgressMonitor(Protocol):

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        ...

    def step(self, phase: str, done: int) -> bool:
        ...

    def phase_finished(self, phase: str) -> None:
        ...

class Dim:
    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, name: str) -> None:
        ...

    @staticmethod
    def value(tensor: object, index: int) -> Dim:
        ...

    @staticmethod
    def data(upper: Size | None=None) -> Dim:
        ...

    @staticmethod
    def from_terms(terms: Mapping[Monomial, int]) -> Size:
        ...

    @property
    def atoms(self) -> tuple[Atom, ...]:
        ...

def same(a: Size, b: Size) -> Size:
    ...

def ceil_div(a: Size, b: Size) -> Size:
    ...

def dim_min(a: Size, b: Size) -> Size:
    ...

def dim_max(a: Size, b: Size) -> Size:
    ...

def dim_broadcast(a: Size, b: Size) -> Size:
    ...

class EnginewrightError(Exception):
    code: ClassVar[str] = 'EW-X000'
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str, where: str | None=None, details: Details | None=None, recoverable: bool=True) -> None:
        ...

    @property
    def url(self) -> str:
        ...

    def rows(self) -> Iterator[tuple[str, str]]:
        ...

    def located(self, where: str) -> Self:
        ...

class UsageError(EnginewrightError):
    code = 'EW-U001'
    exit_code = 2

class ConfigError(UsageError, ValueError):
    code = 'EW-U002'

class ShapeError(UsageError, ValueError):
    code = 'EW-U003'

class DataTypeError(UsageError, TypeError):
    code = 'EW-U004'

class ClosedError(UsageError, ValueError):
    code = 'EW-U005'

class ForkError(UsageError, RuntimeError):
    code = 'EW-U006'

class ModelError(EnginewrightError):
    code = 'EW-M001'
    exit_code = 7

class ModelNotReadable(ModelError):
    code = 'EW-M002'

class ModelInvalid(ModelError, ValueError):
    code = 'EW-M003'

class UnsupportedModel(ModelError, NotImplementedError):
    code = 'EW-M004'

    @property
    def nodes(self) -> tuple[UnsupportedNode, ...]:
        ...

class ExternalDataError(ModelError):
    code = 'EW-M005'

class NetworkError(EnginewrightError, ValueError):
    code = 'EW-N001'
    exit_code = 7

class SymbolicShapeError(NetworkError):
    code = 'EW-N002'

class CheckFailed(NetworkError):
    code = 'EW-N003'

class BuildError(EnginewrightError):
    code = 'EW-B001'

class NoTactic(BuildError):
    code = 'EW-B002'

    @property
    def candidates(self) -> tuple[RejectedTactic, ...]:
        ...

class OutOfMemory(BuildError, MemoryError):
    code = 'EW-B003'

class BuildCancelled(BuildError):
    code = 'EW-B004'

class AccuracyError(BuildError):
    code = 'EW-B005'
    exit_code = 3

class UnsafeNetwork(BuildError):
    code = 'EW-B006'

    @property
    def unsafe(self) -> tuple[UnsafeFeature, ...]:
        ...

class PlanError(EnginewrightError):
    code = 'EW-P000'
    exit_code = 4

    @property
    def kind(self) -> str:
        ...

class PlanNotRecognized(PlanError):
    code = 'EW-P001'
    exit_code = 6

class PlanCorrupt(PlanError):
    code = 'EW-P002'
    exit_code = 6

class PlanVersionMismatch(PlanError):
    code = 'EW-P003'

    @property
    def found(self) -> str:
        ...

    @property
    def running(self) -> str:
        ...

    @property
    def field(self) -> str:
        ...

    @property
    def rebuild(self) -> str:
        ...

class PlanFormatMismatch(PlanError):
    code = 'EW-P004'

class PlanKindMismatch(PlanError):
    code = 'EW-P005'

class PlanDeviceMismatch(PlanError):
    code = 'EW-P006'

class PlanUntrusted(PlanError):
    code = 'EW-P007'

class PlanLimitExceeded(PlanError):
    code = 'EW-P008'
    exit_code = 6

class PlanInvalid(PlanError):
    code = 'EW-P009'
    exit_code = 6

class PlanRecipeError(PlanError):
    code = 'EW-P010'
    exit_code = 1

class PlanWriteError(PlanError, OSError):
    code = 'EW-P011'
    exit_code = 1

class CacheError(EnginewrightError):
    code = 'EW-C000'

class TimingCacheMiss(CacheError, LookupError):
    code = 'EW-C001'

class TimingCacheConflict(CacheError):
    code = 'EW-C002'

class CalibrationMismatch(CacheError):
    code = 'EW-C003'

class RunError(EnginewrightError):
    code = 'EW-R001'

class InputError(RunError, ValueError):
    code = 'EW-R002'

    @property
    def tensor(self) -> str:
        ...

    @property
    def given(self) -> str:
        ...

    @property
    def allowed(self) -> str:
        ...

class DeviceError(RunError):
    code = 'EW-R003'

class DeviceOutOfMemory(RunError, MemoryError):
    code = 'EW-R004'

class DeviceMissing(RunError):
    code = 'EW-R005'

class PluginError(EnginewrightError):
    code = 'EW-G002'
    exit_code = 5

class PluginNotFound(PluginError, LookupError):
    code = 'EW-G001'

    @property
    def plugins(self) -> tuple[MissingPlugin, ...]:
        ...

class PluginConflict(PluginError):
    code = 'EW-G003'

class PluginInvalid(PluginError):
    code = 'EW-G004'

class PluginAbiMismatch(PluginError):
    code = 'EW-G005'

class NativeError(EnginewrightError, RuntimeError):
    code = 'EW-X001'
