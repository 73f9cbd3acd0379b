// Filtered convolutions of float32 (winograd_last.h).
#include "cpu/winograd_last.h"

namespace ew::EW_ISA {

EW_KERNEL(winograd2_nhwc_f32, (run<FloatImage, 4>))
EW_KERNEL(winograd4_nhwc_f32, (run<FloatImage, 6>))
EW_KERNEL(pack_winograd2_nhwc_f32, (pack<FloatImage, 4>))
EW_KERNEL(pack_winograd4_nhwc_f32, (pack<FloatImage, 6>))

}  // namespace ew::EW_ISA
