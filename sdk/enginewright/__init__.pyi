"""The public names of Enginewright, for type checkers; __init__.py loads the same ones at first use."""

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

__all__: list[str]
