// What bulk copies (bulk.h) must know of a tensor: made on the host, passed to the kernel by value.
#pragma once

#include <cuda.h>

#include "kernel.h"

namespace ew::cuda {

// A matrix of rows of 16-bit elements whose tiles are 64 columns by `box_rows`.
int32_t describe_rows(const ew_call *call, const void *data, int64_t rows, int64_t columns, int box_rows,
                      CUtensorMap *map);

// An image [batch, height, width, channels] of 16-bit elements, as patches are taken from it.
struct PatchImage {
    int batch, height, width, channels;
    int stride_y, stride_x, begin_y, begin_x;  // begin: the first place's corner, at or before 0
    int last_y, last_x;                        // the last place's corner, beyond the image's last element
};

int32_t describe_patches(const ew_call *call, const void *data, const PatchImage &image, int places, CUtensorMap *map);

// An image [batch, height, width, channels] of 16-bit elements, of which pieces are copied as they lie, not swizzled.
struct ImageBox {
    int batch, height, width, channels;
    int box_height, box_width, box_channels;
};

int32_t describe_image(const ew_call *call, const void *data, const ImageBox &image, CUtensorMap *map);

}  // namespace ew::cuda
