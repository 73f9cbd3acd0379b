"""The public names of Enginewright, for type checkers; __init__.py loads the same ones at first use."""

from enginewright import (
    deprecations as deprecations,
)
from enginewright.compiler.builder import (
    build as build,
)
from enginewright.compiler.config import (
    BuilderConfig as BuilderConfig,
    Profile as Profile,
)
from enginewright.compiler.differences import (
    OutputComparison as OutputComparison,
)
from enginewright.compiler.rebuilding import (
    Rebuilt as Rebuilt,
    rebuild as rebuild,
)
from enginewright.compiler.report import (
    BuildReport as BuildReport,
    LayerReport as LayerReport,
    Timing as Timing,
)
from enginewright.device.c_compiler import (
    header_folder as header_folder,
)
from enginewright.device.cuda_sources import (
    cuda_source as cuda_source,
)
from enginewright.device.device_functions import (
    device_function as device_function,
)
from enginewright.device.kernel_params import (
    f32 as f32,
)
from enginewright.device.kernels import (
    c_source as c_source,
    library as library,
)
from enginewright.dims import (
    Dim as Dim,
    ceil_div as ceil_div,
    dim_broadcast as dim_broadcast,
    dim_max as dim_max,
    dim_min as dim_min,
    same as same,
)
from enginewright.errors import (
    AccuracyError as AccuracyError,
    BuildCancelled as BuildCancelled,
    BuildError as BuildError,
    CacheError as CacheError,
    CalibrationMismatch as CalibrationMismatch,
    CheckFailed as CheckFailed,
    ClosedError as ClosedError,
    ConfigError as ConfigError,
    DataTypeError as DataTypeError,
    DeviceError as DeviceError,
    DeviceMissing as DeviceMissing,
    DeviceOutOfMemory as DeviceOutOfMemory,
    EnginewrightError as EnginewrightError,
    ExternalDataError as ExternalDataError,
    ForkError as ForkError,
    InputError as InputError,
    ModelError as ModelError,
    ModelInvalid as ModelInvalid,
    ModelNotReadable as ModelNotReadable,
    NativeError as NativeError,
    NetworkError as NetworkError,
    NoTactic as NoTactic,
    OutOfMemory as OutOfMemory,
    PlanCorrupt as PlanCorrupt,
    PlanDeviceMismatch as PlanDeviceMismatch,
    PlanError as PlanError,
    PlanFormatMismatch as PlanFormatMismatch,
    PlanInvalid as PlanInvalid,
    PlanKindMismatch as PlanKindMismatch,
    PlanLimitExceeded as PlanLimitExceeded,
    PlanNotRecognized as PlanNotRecognized,
    PlanRecipeError as PlanRecipeError,
    PlanUntrusted as PlanUntrusted,
    PlanVersionMismatch as PlanVersionMismatch,
    PlanWriteError as PlanWriteError,
    PluginAbiMismatch as PluginAbiMismatch,
    PluginConflict as PluginConflict,
    PluginError as PluginError,
    PluginInvalid as PluginInvalid,
    PluginNotFound as PluginNotFound,
    RunError as RunError,
    ShapeError as ShapeError,
    SymbolicShapeError as SymbolicShapeError,
    TimingCacheConflict as TimingCacheConflict,
    TimingCacheMiss as TimingCacheMiss,
    UnsafeNetwork as UnsafeNetwork,
    UnsupportedModel as UnsupportedModel,
    UsageError as UsageError,
)
from enginewright.graph.network import (
    Layer as Layer,
    Network as Network,
    Tensor as Tensor,
)
from enginewright.graph.pattern_network import (
    Pattern as Pattern,
    Value as Value,
)
from enginewright.loading import (
    load as load,
)
from enginewright.onnx_io.graph_digest import (
    graph_digest as graph_digest,
)
from enginewright.onnx_io.parser import (
    parse as parse,
)
from enginewright.plan.calibration_cache import (
    CalibrationCache as CalibrationCache,
    TensorRange as TensorRange,
)
from enginewright.plan.plan import (
    Plan as Plan,
)
from enginewright.plan.signing import (
    sign as sign,
)
from enginewright.plan.timing_cache import (
    TimingCache as TimingCache,
)
from enginewright.plan.timing_entries import (
    RoundingTrial as RoundingTrial,
    TacticTime as TacticTime,
    TimingDescription as TimingDescription,
    TimingEntry as TimingEntry,
)
from enginewright.progress import (
    ProgressMonitor as ProgressMonitor,
)
from enginewright.registry.hooks import (
    hookimpl as hookimpl,
)
from enginewright.registry.onnx_node import (
    OnnxNode as OnnxNode,
)
from enginewright.registry.registry import (
    Launch as Launch,
    Pack as Pack,
    onnx_rule as onnx_rule,
    operator as operator,
    tactic as tactic,
)
from enginewright.registry.replacements import (
    replaces as replaces,
)
from enginewright.replacement.report import (
    ReplacementReport as ReplacementReport,
)
from enginewright.runtime.engine import (
    Context as Context,
    Engine as Engine,
)
from enginewright.runtime.safe_engine import (
    SafeEngine as SafeEngine,
)
from enginewright.tensors import (
    DataType as DataType,
    TensorSpec as TensorSpec,
    bfloat16 as bfloat16,
    bool_ as bool_,
    complex64 as complex64,
    complex128 as complex128,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    int2 as int2,
    int4 as int4,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    string as string,
    uint2 as uint2,
    uint4 as uint4,
    uint8 as uint8,
    uint16 as uint16,
    uint32 as uint32,
    uint64 as uint64,
)
from enginewright.tools.benchmark import (
    Benchmark as Benchmark,
    Effort as Effort,
    PeerTimes as PeerTimes,
    bench as bench,
)
from enginewright.tools.comparison import (
    Verification as Verification,
    verify as verify,
)
from enginewright.tools.compat_matrix import (
    compat_matrix as compat_matrix,
)
from enginewright.tools.diagnosis import (
    Diagnosis as Diagnosis,
    Finding as Finding,
    diagnose as diagnose,
)
from enginewright.tools.divergence import (
    Divergence as Divergence,
    TensorDifference as TensorDifference,
)
from enginewright.tools.inspection import (  # type: ignore[deprecated]  # coverage
    Inspection as Inspection,
    LayerInfo as LayerInfo,
    MemoryInfo as MemoryInfo,
    StepInfo as StepInfo,
    check_support as check_support,
    coverage as coverage,
    inspect as inspect,
    replacements as replacements,
)
from enginewright.tools.plan_files import (
    FileDifference as FileDifference,
    diff_files as diff_files,
    dump_file as dump_file,
    verify_file as verify_file,
)
from enginewright.tools.profile import (
    StepProfile as StepProfile,
    StepTime as StepTime,
)
from enginewright.tools.statistics import (
    Times as Times,
)
from enginewright.trust import (
    read_public_keys as read_public_keys,
)
from enginewright.verdict import (
    PlanInfo as PlanInfo,
    SectionInfo as SectionInfo,
    plan_info as plan_info,
)

__all__: list[str]
__version__: str
__version_info__: tuple[int, int, int, int]
