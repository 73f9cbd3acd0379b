"""Enginewright builds tuned engines from trained models and runs them fast."""

from importlib import import_module

# The public names, by the module that defines them, loaded at first use so that `import enginewright` takes
# milliseconds (PEP 562). __init__.pyi says the same to type checkers; tests/repo compares the two.
_PUBLIC = {
    "enginewright.compiler.builder": "build",
    "enginewright.compiler.config": "BuilderConfig Profile",
    "enginewright.compiler.rebuilding": "rebuild Rebuilt",
    "enginewright.compiler.report": "BuildReport LayerReport Timing",
    "enginewright.loading": "load",
    "enginewright.plan.plan": "Plan",
    "enginewright.plan.timing_cache": "TimingCache",
    "enginewright.plan.timing_entries": "TimingEntry TimingDescription TacticTime RoundingTrial",
    "enginewright.plan.calibration_cache": "CalibrationCache TensorRange",
    "enginewright.plan.signing": "sign",
    "enginewright.runtime.engine": "Engine Context",
    "enginewright.runtime.safe_engine": "SafeEngine",
    "enginewright.onnx_io.parser": "parse",
    "enginewright.onnx_io.graph_digest": "graph_digest",
    "enginewright.tools.comparison": "verify Verification",
    "enginewright.compiler.differences": "OutputComparison",
    "enginewright.tools.divergence": "Divergence TensorDifference",
    "enginewright.tools.benchmark": "bench Benchmark Effort PeerTimes",
    "enginewright.tools.inspection": """
        inspect check_support coverage replacements Inspection LayerInfo StepInfo MemoryInfo""",
    "enginewright.tools.diagnosis": "diagnose Diagnosis Finding",
    "enginewright.tools.profile": "StepProfile StepTime",
    "enginewright.tools.statistics": "Times",
    "enginewright.graph.network": "Network Layer Tensor",
    "enginewright.graph.pattern_network": "Pattern Value",
    "enginewright.registry.replacements": "replaces",
    "enginewright.replacement.report": "ReplacementReport",
    "enginewright.registry.registry": "operator tactic onnx_rule Launch Pack",
    "enginewright.registry.onnx_node": "OnnxNode",
    "enginewright.registry.hooks": "hookimpl",
    "enginewright.device.kernels": "c_source library",
    "enginewright.device.cuda_sources": "cuda_source",
    "enginewright.device.device_functions": "device_function",
    "enginewright.device.kernel_params": "f32",
    "enginewright.device.c_compiler": "header_folder",
    "enginewright.tensors": """
        DataType TensorSpec
        float16 float32 float64 bfloat16 bool_ string int2 int4 int8 int16 int32 int64
        uint2 uint4 uint8 uint16 uint32 uint64
        complex64 complex128""",
    "enginewright.tools.plan_files": "verify_file dump_file diff_files FileDifference",
    "enginewright.tools.compat_matrix": "compat_matrix",
    "enginewright.verdict": "PlanInfo SectionInfo plan_info",
    "enginewright.trust": "read_public_keys",
    "enginewright.progress": "ProgressMonitor",
    "enginewright.dims": "Dim same ceil_div dim_min dim_max dim_broadcast",
    "enginewright.errors": """
        EnginewrightError UsageError ConfigError ShapeError DataTypeError ClosedError ForkError
        ModelError ModelNotReadable ModelInvalid UnsupportedModel ExternalDataError
        NetworkError SymbolicShapeError CheckFailed
        BuildError NoTactic OutOfMemory BuildCancelled AccuracyError UnsafeNetwork
        PlanError PlanNotRecognized PlanCorrupt PlanVersionMismatch PlanFormatMismatch PlanKindMismatch
        PlanDeviceMismatch PlanUntrusted PlanLimitExceeded PlanInvalid PlanRecipeError PlanWriteError
        CacheError TimingCacheMiss TimingCacheConflict CalibrationMismatch
        RunError InputError DeviceError DeviceOutOfMemory DeviceMissing
        PluginError PluginNotFound PluginConflict PluginInvalid PluginAbiMismatch NativeError""",
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = list(_HOME)
__all__ += ["deprecations"]


def __getattr__(name: str) -> object:
    if name in {"__version__", "__version_info__"}:
        version = import_module("enginewright_compat.version").running_version()
        return version.public if name == "__version__" else tuple(version)
    if name in {"deprecations", "registry"}:  # public modules: used as `enginewright.deprecations.report`
        return import_module(f"enginewright.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'enginewright' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
