"""Plugins that come with Enginewright, found through the entry point as anybody's are."""

from enginewright_plugins import (
    ctc_decode,
    efficient_nms,
    grid_sampler,
    group_norm,
    modulated_deform_conv,
    multiscale_deformable_attention,
    roi_align_rotated,
    rotary_attention,
    top_p_sample,
)

__all__ = [
    "ctc_decode",
    "efficient_nms",
    "grid_sampler",
    "group_norm",
    "modulated_deform_conv",
    "multiscale_deformable_attention",
    "roi_align_rotated",
    "rotary_attention",
    "top_p_sample",
]
