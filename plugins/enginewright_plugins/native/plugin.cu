// Signs in the CUDA kernels of the bundled plugins.
#include "cuda_kernels.h"

EW_PLUGIN("ew_plugins", EW_BUILD_ID, EW_ENTRY(efficient_nms), EW_ENTRY(roi_align_rotated),
          EW_ENTRY(multiscale_deformable_attention), EW_ENTRY(group_norm), EW_ENTRY(top_p_sample),
          EW_ENTRY(rotary_attention), EW_ENTRY(modulated_deform_conv), EW_ENTRY(grid_sampler))
