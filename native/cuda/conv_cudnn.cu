// Convolutions by cuDNN: y = activation(conv(x, w) + bias + residual), or activation(conv(x, w) + bias) + residual, as one
// graph; sums are float32. It takes the engines that the library's heuristics propose, its favourites first, and behind
// them those that always work; none that computes with fewer bits than asked for, or not the same at each run.
//
//   params  number of the engine among those that can, channels last, batch, height, width, channels, output height,
//           width and channels, groups, kernel height and width, stride, padding before, behind and dilation for y and x
//           each, activation (0 none, 1 relu), whether it comes before the residual, has bias, has residual
//   inputs  x, w [output channels, channels of a group, kernel], channels last where x has them, bias, residual
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cudnn.h"
#include "kernel.h"

namespace ew::cuda {

Cudnn &cudnn() {
    static auto *instance = new Cudnn;
    return *instance;
}

namespace {

constexpr int N_PARAMS = 24;
constexpr int64_t ALIGNMENT = 16, MOST_ENGINES = 16, MOST_NOTES = 16;
// Between our kernels and cuDNN's. Ours let the next one start at once, and it waits for them by itself; some of cuDNN's
// are launched to start early, too, but do not wait: they take it that the kernel before them lets them go at its end.
__global__ void settle() {}

enum : int64_t { X = 1, W, BIAS, RESIDUAL, Y, BETWEEN };  // tensors by number

using Key = std::array<int64_t, N_PARAMS + 2>;  // the parameters, type and workspace
using Four = std::array<int64_t, 4>;

struct Convolution {
    int64_t number, last, batch, height, width, channels, out_height, out_width, outputs, groups, kernel[2], stride[2],
        before[2], behind[2], dilation[2], activation, activate_first, has_bias, has_residual;
};
static_assert(sizeof(Convolution) == N_PARAMS * sizeof(int64_t), "one field for each parameter");

int dnn_type(int32_t dtype) {
    return dtype == EW_FLOAT32 ? DNN_FLOAT : dtype == EW_FLOAT16 ? DNN_HALF : dtype == EW_BFLOAT16 ? DNN_BFLOAT16 : -1;
}

// The operations of a convolution and of what is fused behind it.
class Graph {
  public:
    Graph(const Convolution &c, int type, void *handle) : last_(c.last != 0), type_(type) {
        const Descriptor &x = tensor(X, {c.batch, c.channels, c.height, c.width}, type);
        const Descriptor &w = tensor(W, {c.outputs, c.channels / c.groups, c.kernel[0], c.kernel[1]}, type);
        const Four shape = {c.batch, c.outputs, c.out_height, c.out_width};
        int left = int(c.has_bias + c.has_residual + c.activation);
        const Descriptor *value = &between(shape, left);
        convolve(c, x, w, *value);
        const auto then = [&](int mode, const Descriptor *other) {
            const Descriptor &next = between(shape, --left);
            apply(mode, *value, other, next);
            value = &next;
        };
        if (c.has_residual != 0 && c.activate_first == 0) then(DNN_ADD, &tensor(RESIDUAL, shape, type));
        if (c.has_bias != 0) then(DNN_ADD, &tensor(BIAS, {1, c.outputs, 1, 1}, type));
        if (c.activation != 0) then(DNN_RELU, nullptr);
        if (c.has_residual != 0 && c.activate_first != 0) then(DNN_ADD, &tensor(RESIDUAL, shape, type));
        std::vector<void *> steps;
        for (const Descriptor *step : steps_) steps.push_back(step->raw());
        graph_ = &made(DNN_GRAPH);
        graph_->set(DNN_GRAPH_STEPS, DNN_AS_DESCRIPTOR, int64_t(steps.size()), steps.data())
            .set(DNN_GRAPH_HANDLE, DNN_AS_HANDLE, 1, &handle)
            .finalize();
    }
    int status() const {
        for (const auto &one : all_)
            if (one->status() != 0) return one->status();
        return 0;
    }
    const Descriptor &graph() const { return *graph_; }

  private:
    bool last_;
    int type_;
    int64_t next_ = BETWEEN;
    std::vector<std::unique_ptr<Descriptor>> all_;
    std::vector<const Descriptor *> steps_;
    Descriptor *graph_ = nullptr;

    Descriptor &made(DnnKind kind) { return *all_.emplace_back(std::make_unique<Descriptor>(kind)); }

    // The result of an operation: floats that are never written, or the output if no more operations are left.
    const Descriptor &between(const Four &shape, int left) {
        return left == 0 ? tensor(Y, shape, type_) : tensor(next_++, shape, DNN_FLOAT, true);
    }
    const Descriptor &tensor(int64_t id, const Four &n, int type, bool is_virtual = false) {
        const Four first = {n[1] * n[2] * n[3], n[2] * n[3], n[3], 1};
        const Four last = {n[1] * n[2] * n[3], 1, n[3] * n[1], n[1]};
        return made(DNN_TENSOR)
            .set(DNN_TENSOR_ID, DNN_AS_INT64, 1, &id)
            .set(DNN_TENSOR_TYPE, DNN_AS_DATA_TYPE, type)
            .set(DNN_TENSOR_ALIGNMENT, DNN_AS_INT64, 1, &ALIGNMENT)
            .set(DNN_TENSOR_SIZES, DNN_AS_INT64, 4, n.data())
            .set(DNN_TENSOR_STRIDES, DNN_AS_INT64, 4, (last_ ? last : first).data())
            .set(DNN_TENSOR_VIRTUAL, DNN_AS_BOOL, 1, &is_virtual)
            .finalize();
    }
    void convolve(const Convolution &c, const Descriptor &x, const Descriptor &w, const Descriptor &y) {
        const int64_t axes = 2;
        const float alpha = 1, beta = 0;
        const Descriptor &how = made(DNN_CONVOLUTION)
                                    .set(DNN_CONV_PRECISION, DNN_AS_DATA_TYPE, DNN_FLOAT)
                                    .set(DNN_CONV_MODE, DNN_AS_CONV_MODE, DNN_CROSS_CORRELATION)
                                    .set(DNN_CONV_AXES, DNN_AS_INT64, 1, &axes)
                                    .set(DNN_CONV_DILATIONS, DNN_AS_INT64, axes, c.dilation)
                                    .set(DNN_CONV_STRIDES, DNN_AS_INT64, axes, c.stride)
                                    .set(DNN_CONV_BEFORE, DNN_AS_INT64, axes, c.before)
                                    .set(DNN_CONV_AFTER, DNN_AS_INT64, axes, c.behind)
                                    .finalize();
        steps_.push_back(&made(DNN_CONVOLVE)
                              .set(DNN_CONVOLVE_HOW, how)
                              .set(DNN_CONVOLVE_X, x)
                              .set(DNN_CONVOLVE_W, w)
                              .set(DNN_CONVOLVE_Y, y)
                              .set(DNN_CONVOLVE_ALPHA, DNN_AS_FLOAT, 1, &alpha)
                              .set(DNN_CONVOLVE_BETA, DNN_AS_FLOAT, 1, &beta)
                              .finalize());
    }
    void apply(int mode, const Descriptor &x, const Descriptor *b, const Descriptor &y) {
        const Descriptor &how = made(DNN_POINTWISE)
                                    .set(DNN_POINTWISE_MODE, DNN_AS_POINTWISE_MODE, mode)
                                    .set(DNN_POINTWISE_PRECISION, DNN_AS_DATA_TYPE, DNN_FLOAT)
                                    .finalize();
        Descriptor &step = made(DNN_APPLY).set(DNN_APPLY_HOW, how).set(DNN_APPLY_X, x).set(DNN_APPLY_Y, y);
        if (b != nullptr) step.set(DNN_APPLY_B, *b);
        steps_.push_back(&step.finalize());
    }
};

// Whether an engine computes as exactly as its type promises, and the same at each run.
bool is_exact(const Descriptor &config, int type) {
    Descriptor engine(DNN_ENGINE);
    void *raw = engine.raw();
    if (config.get(DNN_CONFIG_ENGINE, DNN_AS_DESCRIPTOR, 1, &raw) != 1) return false;
    int notes[MOST_NOTES];
    const int64_t count = engine.get(DNN_ENGINE_NOTES, DNN_AS_NOTE, MOST_NOTES, notes);
    for (int64_t i = 0; i < count; ++i) {
        const int note = notes[i];
        const bool narrow = note == DNN_TENSOR_CORE || note == DNN_DOWN_CONVERTS;  // TF32
        if (type == DNN_FLOAT ? narrow : note == DNN_WINOGRAD || note == DNN_WINOGRAD_4) return false;
        if (note == DNN_REDUCED_SUMS || note == DNN_FFT || note == DNN_NONDETERMINISTIC || note == DNN_WINOGRAD_6 ||
            note == DNN_WINOGRAD_13)
            return false;
    }
    return true;
}

// A plan of one engine, with what it was made of.
struct Planned {
    std::shared_ptr<Graph> graph;
    std::shared_ptr<Descriptor> config, plan;
};

// The plans of a mode that can run in this workspace, up to `most` in all.
void plan_by(int mode, const std::shared_ptr<Graph> &graph, void *handle, uint64_t workspace, int type, size_t most,
             std::vector<Planned> &found) {
    Descriptor heuristics(DNN_HEURISTICS);
    heuristics.set(DNN_HEURISTICS_GRAPH, graph->graph())
        .set(DNN_HEURISTICS_MODE, DNN_AS_HEURISTICS_MODE, mode)
        .finalize();
    if (heuristics.status() != 0) return;
    std::vector<std::shared_ptr<Descriptor>> configs;
    std::vector<void *> raw;
    for (int64_t i = 0; i < MOST_ENGINES; ++i) {
        configs.push_back(std::make_shared<Descriptor>(DNN_CONFIG));
        raw.push_back(configs.back()->raw());
    }
    const int64_t count = heuristics.get(DNN_HEURISTICS_RESULTS, DNN_AS_DESCRIPTOR, MOST_ENGINES, raw.data());
    for (int64_t i = 0; i < count && i < MOST_ENGINES && found.size() < most; ++i) {
        const std::shared_ptr<Descriptor> &config = configs[size_t(i)];
        if (!is_exact(*config, type)) continue;
        auto plan = std::make_shared<Descriptor>(DNN_PLAN);
        plan->set(DNN_PLAN_HANDLE, DNN_AS_HANDLE, 1, &handle).set(DNN_PLAN_CONFIG, *config).finalize();
        int64_t needed = 0;
        if (plan->status() == 0 && plan->get(DNN_PLAN_WORKSPACE, DNN_AS_INT64, 1, &needed) == 1 &&
            uint64_t(needed) <= workspace)
            found.push_back({graph, config, plan});
    }
}

struct Device {
    std::mutex mutex;
    void *handle = nullptr;
    std::map<Key, std::vector<Planned>> plans;
};

Device &device() {
    static auto *devices = new std::array<Device, 64>;
    int ordinal = 0;
    cudaGetDevice(&ordinal);
    return (*devices)[static_cast<size_t>(ordinal % 64)];
}

// The plan of an engine by its number among those that can; made once, NULL if there are not so many.
const Descriptor *planned(Device &on, const ew_call *call, const Convolution &c, int type) {
    Key key;
    for (int i = 0; i < N_PARAMS; ++i) key[size_t(i)] = call->params[i].i;
    key[N_PARAMS] = type;
    key[N_PARAMS + 1] = int64_t(call->workspace_size);
    const auto number = size_t(c.number);
    auto known = on.plans.find(key);
    if (known == on.plans.end()) {
        known = on.plans.emplace(key, std::vector<Planned>()).first;
        const auto graph = std::make_shared<Graph>(c, type, on.handle);
        if (graph->status() == 0)
            for (const int mode : {DNN_MODE_A, DNN_MODE_FALLBACK})
                plan_by(mode, graph, on.handle, call->workspace_size, type, number + 1, known->second);
    }
    return number < known->second.size() ? known->second[number].plan.get() : nullptr;
}

int32_t run(const ew_call *call) {
    Convolution c{};
    if (call->n_params != N_PARAMS)
        return call->host->error(call, EW_INVALID_PLAN, "a convolution by cuDNN takes %d parameters", N_PARAMS);
    auto *fields = reinterpret_cast<int64_t *>(&c);
    for (int i = 0; i < N_PARAMS; ++i) fields[i] = call->params[i].i;
    const int type = dnn_type(call->outputs[0].dtype);
    if (type < 0 || c.groups < 1 || c.number < 0 || c.activation < 0 || c.activation > 1 ||
        call->n_inputs != 2 + (c.has_bias != 0) + (c.has_residual != 0))
        return call->host->error(call, EW_INVALID_PLAN, "the parameters describe no convolution");
    if (c.batch * c.out_height * c.out_width * c.outputs == 0) return EW_OK;
    Cudnn &dnn = cudnn();
    if (!dnn.ready)
        return call->host->error(call, EW_DEVICE, "cuDNN 9 cannot be loaded (%s); install nvidia-cudnn-cu13",
                                 dnn.library.missing());
    Device &on = device();
    const std::lock_guard lock(on.mutex);
    if (on.handle == nullptr && dnn.create(&on.handle) != 0)
        return call->host->error(call, EW_DEVICE, "cuDNN cannot be started");
    const Descriptor *plan = planned(on, call, c, type);
    if (plan == nullptr)
        return call->host->error(call, EW_FAILED, "cuDNN has no engine %lld for this convolution",
                                 static_cast<long long>(c.number));
    std::vector<int64_t> ids = {X, W, Y};
    std::vector<void *> pointers = {call->inputs[0].data, call->inputs[1].data, call->outputs[0].data};
    if (c.has_bias != 0) ids.push_back(BIAS), pointers.push_back(call->inputs[2].data);
    if (c.has_residual != 0) ids.push_back(RESIDUAL), pointers.push_back(call->inputs[2 + (c.has_bias != 0)].data);
    Descriptor variant(DNN_VARIANT);
    variant.set(DNN_VARIANT_IDS, DNN_AS_INT64, int64_t(ids.size()), ids.data())
        .set(DNN_VARIANT_POINTERS, DNN_AS_POINTER, int64_t(pointers.size()), pointers.data())
        .set(DNN_VARIANT_WORKSPACE, DNN_AS_POINTER, 1, &call->workspace)
        .finalize();
    int status = variant.status();
    if (status == 0) status = dnn.set_stream(on.handle, call->stream);
    if (status == 0) {
        settle<<<1, 32, 0, stream_of(call)>>>();
        if (const int32_t failed = launched(call); failed != EW_OK) return failed;
        status = dnn.execute(on.handle, plan->raw(), variant.raw());
    }
    return status == 0 ? EW_OK : call->host->error(call, EW_FAILED, "cuDNN returned status %d", status);
}

}  // namespace
}  // namespace ew::cuda

EW_KERNEL(conv_cudnn, ew::cuda::run)
