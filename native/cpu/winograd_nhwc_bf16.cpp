// Filtered convolutions of images of bfloat16 (winograd_last.h): with four points turned images and weights are rounded to
// bfloat16 again and multiplied in pairs; with six that would lose too many digits, so that these stay float32.
#include "cpu/winograd_last.h"

namespace ew::EW_ISA {

EW_KERNEL(winograd2_nhwc_bf16, (run<PairImage, 4>))
EW_KERNEL(pack_winograd2_nhwc_bf16, (pack<PairImage, 4>))
EW_KERNEL(winograd4_nhwc_bf16, (run<NarrowImage, 6>))

}  // namespace ew::EW_ISA
