// Signs in the kernels of the bundled plugins.
#include "kernels.h"

EW_PLUGIN("ew_plugins", EW_BUILD_ID, EW_ENTRY(efficient_nms_f32), EW_ENTRY(roi_align_rotated_f32),
          EW_ENTRY(multiscale_deformable_attention_f32), EW_ENTRY(group_norm_f32), EW_ENTRY(ctc_greedy_f32),
          EW_ENTRY(ctc_beam_f32), EW_ENTRY(top_p_sample_f32), EW_ENTRY(rotary_attention_f32),
          EW_ENTRY(modulated_deform_conv_f32), EW_ENTRY(grid_sampler_f32))
