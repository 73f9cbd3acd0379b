// The compiler that built this library, for bug reports.

extern "C" __attribute__((visibility("default"))) const char *ew_compiler() { return __VERSION__; }
