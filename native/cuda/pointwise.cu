// The kernel of elementwise layers on CUDA: any pointwise program, as source compiled for it at run time.
#include <algorithm>

#include "kernel.h"
#include "pointwise_source.h"
#include "program_compiler.h"

namespace {

using namespace ew::cuda;

int64_t broadcast_stride(const ew_tensor &input, int axis_from_end) {
    const int axis = input.rank - 1 - axis_from_end;
    if (axis < 0 || input.shape[axis] == 1) return 0;
    int64_t stride = 1;
    for (int a = axis + 1; a < input.rank; ++a) stride *= input.shape[a];
    return stride;
}

// The output's axes from the last to the first, merged where every input allows it.
int merge_axes(const ew_call *call, PointwiseSizes &sizes) {
    const ew_tensor &output = call->outputs[0];
    int rank = 0;
    for (int k = 0; k < output.rank; ++k) {
        const int64_t size = output.shape[output.rank - 1 - k];
        if (size == 1) continue;
        bool joins = rank > 0;
        for (int i = 0; i < call->n_inputs && joins; ++i)
            joins = broadcast_stride(call->inputs[i], k) ==
                    static_cast<int64_t>(sizes.stride[i][rank - 1]) * sizes.size[rank - 1];
        if (joins) {
            sizes.size[rank - 1] *= static_cast<unsigned>(size);
            continue;
        }
        for (int i = 0; i < call->n_inputs; ++i)
            sizes.stride[i][rank] = static_cast<unsigned>(broadcast_stride(call->inputs[i], k));
        sizes.size[rank++] = static_cast<unsigned>(size);
    }
    if (rank == 0) sizes.size[rank++] = 1;
    return rank;
}

Access access_of(const PointwiseSizes &sizes, int rank, int input) {
    const unsigned *stride = sizes.stride[input];
    int64_t whole = 1;
    bool is_whole = true, is_scalar = true;
    for (int axis = 0; axis < rank; ++axis) {
        is_whole = is_whole && (stride[axis] == whole || sizes.size[axis] == 1);
        is_scalar = is_scalar && stride[axis] == 0;
        whole *= sizes.size[axis];
    }
    return is_whole ? Access::whole : is_scalar ? Access::scalar : stride[0] == 1 ? Access::row : Access::broadcast;
}

bool is_vector(const PointwiseForm &form, Access access) { return access == Access::whole || access == Access::row; }

// The most elements, up to 16 bytes of the widest type, that divide a row and keep every access aligned.
int vector_length(const ew_call *call, const PointwiseForm &form, const PointwiseSizes &sizes) {
    int widest = 1;
    for (int i = 0; i < call->n_inputs; ++i) widest = std::max(widest, element_bytes(call->inputs[i].dtype));
    for (int i = 0; i < call->n_outputs; ++i) widest = std::max(widest, element_bytes(call->outputs[i].dtype));
    for (int n = 16 / widest; n > 1; n /= 2) {
        bool fits = sizes.size[0] % static_cast<unsigned>(n) == 0;
        const auto aligned = [n](const ew_tensor &tensor) {
            return reinterpret_cast<uintptr_t>(tensor.data) % static_cast<uintptr_t>(n * element_bytes(tensor.dtype)) ==
                   0;
        };
        for (int i = 0; i < call->n_inputs; ++i) {
            if (!is_vector(form, form.access[i])) continue;
            fits = fits && aligned(call->inputs[i]);
            for (int axis = 1; axis < form.rank && form.access[i] == Access::row; ++axis)
                fits = fits && sizes.stride[i][axis] % static_cast<unsigned>(n) == 0;
        }
        for (int i = 0; i < call->n_outputs; ++i) fits = fits && aligned(call->outputs[i]);
        if (fits) return n;
    }
    return 1;
}

int32_t launch(const ew_call *call, cudaKernel_t kernel, PointwiseSizes &sizes) {
    void *pointers[MAX_PROGRAM_INPUTS + MAX_PROGRAM_OUTPUTS], *args[1 + MAX_PROGRAM_INPUTS + MAX_PROGRAM_OUTPUTS];
    int n = 0;
    args[n++] = &sizes;
    for (int i = 0; i < call->n_inputs; ++i, ++n) pointers[n - 1] = call->inputs[i].data;
    for (int i = 0; i < call->n_outputs; ++i, ++n) pointers[n - 1] = call->outputs[i].data;
    for (int i = 1; i < n; ++i) args[i] = &pointers[i - 1];
    cudaLaunchAttribute early;
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3((sizes.groups + 255) / 256);
    config.blockDim = dim3(256);
    config.stream = stream_of(call);
    config.attrs = &early;
    config.numAttrs = 1;
    return checked(call, cudaLaunchKernelExC(&config, reinterpret_cast<const void *>(kernel), args));
}

int32_t run(const ew_call *call) {
    const ew_tensor &output = call->outputs[0];
    int64_t total = 1;
    for (int i = 0; i < output.rank; ++i) total *= output.shape[i];
    if (total == 0) return EW_OK;
    if (total >= int64_t{1} << 31)
        return call->host->error(call, EW_FAILED, "%lld elements; at most 2^31 - 1 at once",
                                 static_cast<long long>(total));
    PointwiseSizes sizes{};
    PointwiseForm form{call->params, call->n_params, 1, 1, {}};
    if (call->n_inputs > MAX_PROGRAM_INPUTS || call->n_outputs > MAX_PROGRAM_OUTPUTS) return EW_INVALID_PLAN;
    form.rank = merge_axes(call, sizes);
    for (int i = 0; i < MAX_PROGRAM_INPUTS; ++i)
        form.access[i] = i < call->n_inputs ? access_of(sizes, form.rank, i) : Access::scalar;
    form.vector = vector_length(call, form, sizes);
    sizes.groups = static_cast<unsigned>(total / form.vector);
    std::string error;
    const std::string source = pointwise_source(form);
    if (source.empty()) return call->host->error(call, EW_INVALID_PLAN, "the parameters are no pointwise program");
    cudaKernel_t kernel = compiled_kernel(source, "pointwise", error);
    if (kernel == nullptr) return call->host->error(call, EW_DEVICE, "%s", error.c_str());
    return launch(call, kernel, sizes);
}

}  // namespace

EW_KERNEL(pointwise, run)
