"""The public names of Enginewright, for type checkers; __init__.py loads the same ones at first use."""

from enginewright.compiler.builder import (
    build as build,
)
from enginewright.compiler.config import (
    BuilderConfig as BuilderConfig,
)
from enginewright.compiler.config import (
    Profile as Profile,
)
from enginewright.compiler.report import (
    BuildReport as BuildReport,
)
from enginewright.compiler.report import (
    LayerReport as LayerReport,
)
from enginewright.compiler.report import (
    Timing as Timing,
)
from enginewright.dims import (
    Dim as Dim,
)
from enginewright.dims import (
    ceil_div as ceil_div,
)
from enginewright.dims import (
    dim_broadcast as dim_broadcast,
)
from enginewright.dims import (
    dim_max as dim_max,
)
from enginewright.dims import (
    dim_min as dim_min,
)
from enginewright.dims import (
    same as same,
)
from enginewright.errors import (
    AccuracyError as AccuracyError,
)
from enginewright.errors import (
    BuildCancelled as BuildCancelled,
)
from enginewright.errors import (
    BuildError as BuildError,
)
from enginewright.errors import (
    CacheError as CacheError,
)
from enginewright.errors import (
    CalibrationMismatch as CalibrationMismatch,
)
from enginewright.errors import (
    CheckFailed as CheckFailed,
)
from enginewright.errors import (
    ClosedError as ClosedError,
)
from enginewright.errors import (
    ConfigError as ConfigError,
)
from enginewright.errors import (
    DataTypeError as DataTypeError,
)
from enginewright.errors import (
    DeviceError as DeviceError,
)
from enginewright.errors import (
    DeviceMissing as DeviceMissing,
)
from enginewright.errors import (
    DeviceOutOfMemory as DeviceOutOfMemory,
)
from enginewright.errors import (
    EnginewrightError as EnginewrightError,
)
from enginewright.errors import (
    ExternalDataError as ExternalDataError,
)
from enginewright.errors import (
    ForkError as ForkError,
)
from enginewright.errors import (
    InputError as InputError,
)
from enginewright.errors import (
    ModelError as ModelError,
)
from enginewright.errors import (
    ModelInvalid as ModelInvalid,
)
from enginewright.errors import (
    ModelNotReadable as ModelNotReadable,
)
from enginewright.errors import (
    NativeError as NativeError,
)
from enginewright.errors import (
    NetworkError as NetworkError,
)
from enginewright.errors import (
    NoTactic as NoTactic,
)
from enginewright.errors import (
    OutOfMemory as OutOfMemory,
)
from enginewright.errors import (
    PlanCorrupt as PlanCorrupt,
)
from enginewright.errors import (
    PlanDeviceMismatch as PlanDeviceMismatch,
)
from enginewright.errors import (
    PlanError as PlanError,
)
from enginewright.errors import (
    PlanFormatMismatch as PlanFormatMismatch,
)
from enginewright.errors import (
    PlanInvalid as PlanInvalid,
)
from enginewright.errors import (
    PlanKindMismatch as PlanKindMismatch,
)
from enginewright.errors import (
    PlanLimitExceeded as PlanLimitExceeded,
)
from enginewright.errors import (
    PlanNotRecognized as PlanNotRecognized,
)
from enginewright.errors import (
    PlanRecipeError as PlanRecipeError,
)
from enginewright.errors import (
    PlanUntrusted as PlanUntrusted,
)
from enginewright.errors import (
    PlanVersionMismatch as PlanVersionMismatch,
)
from enginewright.errors import (
    PlanWriteError as PlanWriteError,
)
from enginewright.errors import (
    PluginAbiMismatch as PluginAbiMismatch,
)
from enginewright.errors import (
    PluginConflict as PluginConflict,
)
from enginewright.errors import (
    PluginError as PluginError,
)
from enginewright.errors import (
    PluginInvalid as PluginInvalid,
)
from enginewright.errors import (
    PluginNotFound as PluginNotFound,
)
from enginewright.errors import (
    RunError as RunError,
)
from enginewright.errors import (
    ShapeError as ShapeError,
)
from enginewright.errors import (
    SymbolicShapeError as SymbolicShapeError,
)
from enginewright.errors import (
    TimingCacheConflict as TimingCacheConflict,
)
from enginewright.errors import (
    TimingCacheMiss as TimingCacheMiss,
)
from enginewright.errors import (
    UnsupportedModel as UnsupportedModel,
)
from enginewright.errors import (
    UsageError as UsageError,
)
from enginewright.graph.network import (
    Layer as Layer,
)
from enginewright.graph.network import (
    Network as Network,
)
from enginewright.graph.network import (
    Tensor as Tensor,
)
from enginewright.loading import (
    load as load,
)
from enginewright.onnx_io.parser import (
    parse as parse,
)
from enginewright.plan.plan import (
    Plan as Plan,
)
from enginewright.progress import (
    ProgressMonitor as ProgressMonitor,
)
from enginewright.registry.registry import (
    Launch as Launch,
)
from enginewright.registry.registry import (
    Pack as Pack,
)
from enginewright.registry.registry import (
    onnx_rule as onnx_rule,
)
from enginewright.registry.registry import (
    operator as operator,
)
from enginewright.registry.registry import (
    tactic as tactic,
)
from enginewright.runtime.engine import (
    Context as Context,
)
from enginewright.runtime.engine import (
    Engine as Engine,
)
from enginewright.tensors import (
    DataType as DataType,
)
from enginewright.tensors import (
    TensorSpec as TensorSpec,
)
from enginewright.tensors import (
    bfloat16 as bfloat16,
)
from enginewright.tensors import (
    bool_ as bool_,
)
from enginewright.tensors import (
    complex64 as complex64,
)
from enginewright.tensors import (
    complex128 as complex128,
)
from enginewright.tensors import (
    float16 as float16,
)
from enginewright.tensors import (
    float32 as float32,
)
from enginewright.tensors import (
    float64 as float64,
)
from enginewright.tensors import (
    int4 as int4,
)
from enginewright.tensors import (
    int8 as int8,
)
from enginewright.tensors import (
    int16 as int16,
)
from enginewright.tensors import (
    int32 as int32,
)
from enginewright.tensors import (
    int64 as int64,
)
from enginewright.tensors import (
    string as string,
)
from enginewright.tensors import (
    uint4 as uint4,
)
from enginewright.tensors import (
    uint8 as uint8,
)
from enginewright.tensors import (
    uint16 as uint16,
)
from enginewright.tensors import (
    uint32 as uint32,
)
from enginewright.tensors import (
    uint64 as uint64,
)
from enginewright.tools.benchmark import Benchmark as Benchmark
from enginewright.tools.benchmark import Effort as Effort
from enginewright.tools.benchmark import PeerTimes as PeerTimes
from enginewright.tools.benchmark import bench as bench
from enginewright.tools.comparison import Verification as Verification
from enginewright.tools.comparison import verify as verify
from enginewright.tools.differences import OutputComparison as OutputComparison
from enginewright.tools.divergence import Divergence as Divergence
from enginewright.tools.divergence import TensorDifference as TensorDifference
from enginewright.tools.profile import StepProfile as StepProfile
from enginewright.tools.profile import StepTime as StepTime
from enginewright.tools.statistics import Times as Times
from enginewright.verdict import (
    PlanInfo as PlanInfo,
)
from enginewright.verdict import (
    plan_info as plan_info,
)

__all__: list[str]
__version__: str
__version_info__: tuple[int, int, int, int]
