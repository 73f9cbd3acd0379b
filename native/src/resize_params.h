// What the numbers mean that Resize's kernels of all devices get as params; sdk/enginewright/tactics/resize.py writes them.
#pragma once

#include <cstdint>

namespace ew {

enum Coordinates : int64_t {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF_PIXEL,
    TF_CROP
};
enum NearestRule : int64_t { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, SIMPLE };

// Params before those of the axes.
constexpr int RESIZE_FIXED = 7;

}  // namespace ew
