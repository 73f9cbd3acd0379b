// Signs in the kernels of the bundled plugins.
#include "kernels.h"

EW_PLUGIN("ew_plugins", EW_BUILD_ID, EW_ENTRY(efficient_nms_f32))
