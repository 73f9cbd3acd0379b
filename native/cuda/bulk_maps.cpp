// Descriptions of tensors for bulk copies, which the driver makes.
#include "bulk_maps.h"

#include <array>

namespace ew::cuda {

namespace {

constexpr cuuint32_t SWIZZLED = 64;  // elements in 128 bytes

template <class Fn>
Fn *driver_function(const char *name) {
    void *found = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    if (cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &result) != cudaSuccess)
        return nullptr;
    return result == cudaDriverEntryPointSuccess ? reinterpret_cast<Fn *>(found) : nullptr;
}

int32_t described(const ew_call *call, CUresult result) {
    if (result == CUDA_SUCCESS) return EW_OK;
    return call->host->error(call, EW_SHAPE, "CUDA cannot copy tiles of this tensor (%d)", static_cast<int>(result));
}

int32_t missing(const ew_call *call) {
    return call->host->error(call, EW_DEVICE, "the driver has no tensor maps; install one for CUDA 12 or newer");
}

cuuint64_t size(int value) { return static_cast<cuuint64_t>(value); }

// Bytes from one place, row and image of 16-bit elements to the next.
std::array<cuuint64_t, 3> image_strides(int height, int width, int channels) {
    const cuuint64_t place = size(channels) * 2, row = place * size(width);
    return {place, row, row * size(height)};
}

}  // namespace

int32_t describe_rows(const ew_call *call, const void *data, int64_t rows, int64_t columns, int box_rows,
                      CUtensorMap *map) {
    static auto *const encode = driver_function<decltype(cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled");
    if (encode == nullptr) return missing(call);
    const std::array<cuuint64_t, 2> sizes = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
    const std::array<cuuint64_t, 1> strides = {static_cast<cuuint64_t>(columns) * 2};
    const std::array<cuuint32_t, 2> box = {SWIZZLED, static_cast<cuuint32_t>(box_rows)}, steps = {1, 1};
    return described(
        call, encode(map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 2, const_cast<void *>(data), sizes.data(), strides.data(),
                     box.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                     CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
}

int32_t describe_patches(const ew_call *call, const void *data, const PatchImage &image, int places, CUtensorMap *map) {
    static auto *const encode = driver_function<decltype(cuTensorMapEncodeIm2col)>("cuTensorMapEncodeIm2col");
    if (encode == nullptr) return missing(call);
    const std::array<cuuint64_t, 4> sizes = {size(image.channels), size(image.width), size(image.height),
                                             size(image.batch)};
    const std::array<cuuint64_t, 3> strides = image_strides(image.height, image.width, image.channels);
    const std::array<int, 2> first = {image.begin_x, image.begin_y}, last = {image.last_x, image.last_y};
    const std::array<cuuint32_t, 4> steps = {1, static_cast<cuuint32_t>(image.stride_x),
                                             static_cast<cuuint32_t>(image.stride_y), 1};
    return described(call, encode(map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 4, const_cast<void *>(data), sizes.data(),
                                  strides.data(), first.data(), last.data(), SWIZZLED, static_cast<cuuint32_t>(places),
                                  steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                  CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
}

int32_t describe_image(const ew_call *call, const void *data, const ImageBox &image, CUtensorMap *map) {
    static auto *const encode = driver_function<decltype(cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled");
    if (encode == nullptr) return missing(call);
    const std::array<cuuint64_t, 4> sizes = {size(image.channels), size(image.width), size(image.height),
                                             size(image.batch)};
    const std::array<cuuint64_t, 3> strides = image_strides(image.height, image.width, image.channels);
    const std::array<cuuint32_t, 4> steps = {1, 1, 1, 1}, box = {static_cast<cuuint32_t>(image.box_channels),
                                                                 static_cast<cuuint32_t>(image.box_width),
                                                                 static_cast<cuuint32_t>(image.box_height), 1};
    return described(
        call, encode(map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 4, const_cast<void *>(data), sizes.data(), strides.data(),
                     box.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
                     CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
}

}  // namespace ew::cuda
