// Matrix products by cuBLASLt: y = activation(alpha a b + bias + residual), row-major, batched with a fixed stride.
//
//   params  number of the algorithm in the library's own order, trans_a, trans_b, batch of a, of b, of y, m, n, k, alpha,
//           activation (0 none, 1 relu, 2 gelu in its tanh form), has bias, has residual, and where given whether sizes
//           differ from run to run: then another size may have fewer algorithms, and the library's favourite serves
//   inputs  a [batch, m, k], b [batch, k, n] (transposed where asked), bias [n], residual [batch, m, n]
//
// A batch of 1 is used for all. The library is column-major: it computes the transposed product b' a', so that a bias
// lies along its rows, as it wants.
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cublaslt.h"
#include "kernel.h"

namespace ew::cuda {

CublasLt &cublaslt() {
    static auto *instance = new CublasLt;
    return *instance;
}

namespace {

constexpr int MAX_ALGORITHMS = 16;
constexpr uint32_t ALIGNMENT = 16;  // of all pointers: memory of a plan is aligned to 64, views to what vectors take

struct Product {
    int64_t algorithm, trans_a, trans_b, batch_a, batch_b, batch, m, n, k;
    double alpha;
    int64_t activation, has_bias, has_residual;
    bool any_size;
    int type;
};

int lt_type(int32_t dtype) {
    return dtype == EW_FLOAT32 ? LT_R_32F : dtype == EW_FLOAT16 ? LT_R_16F : dtype == EW_BFLOAT16 ? LT_R_16BF : -1;
}

bool parse(const ew_call *call, Product &p) {
    if ((call->n_params != 13 && call->n_params != 14) || call->n_inputs < 2) return false;
    int64_t *fields[] = {&p.algorithm, &p.trans_a, &p.trans_b, &p.batch_a, &p.batch_b, &p.batch, &p.m, &p.n, &p.k};
    for (int i = 0; i < 9; ++i) *fields[i] = call->params[i].i;
    p.alpha = call->params[9].f;
    p.activation = call->params[10].i;
    p.has_bias = call->params[11].i;
    p.has_residual = call->params[12].i;
    p.any_size = call->n_params == 14 && call->params[13].i != 0;
    p.type = lt_type(call->outputs[0].dtype);
    return p.type >= 0 && call->n_inputs == 2 + p.has_bias + p.has_residual;
}

// The descriptions that a product needs; destroyed with it.
class Descriptions {
  public:
    void *desc = nullptr, *a = nullptr, *b = nullptr, *y = nullptr, *preference = nullptr;

    explicit Descriptions(const Product &p, uint64_t workspace, const void *bias) {
        const CublasLt &lt = cublaslt();
        ok_ = lt.create_desc(&desc, LT_COMPUTE_32F, LT_R_32F) == 0;
        set(LT_DESC_TRANSA, int32_t(p.trans_b != 0));
        set(LT_DESC_TRANSB, int32_t(p.trans_a != 0));
        uint32_t epilogue = p.has_bias != 0 ? LT_EPILOGUE_BIAS : 0;
        if (p.activation == 1) epilogue |= LT_EPILOGUE_RELU;
        if (p.activation == 2) epilogue |= LT_EPILOGUE_GELU;
        set(LT_DESC_EPILOGUE, epilogue == 0 ? uint32_t{LT_EPILOGUE_NONE} : epilogue);
        if (p.has_bias != 0) {
            set(LT_DESC_BIAS_POINTER, bias);
            set(LT_DESC_BIAS_TYPE, int32_t(p.type));
        }
        layout(b, p, p.trans_b == 0 ? p.n : p.k, p.trans_b == 0 ? p.k : p.n, p.batch_b);
        layout(a, p, p.trans_a == 0 ? p.k : p.m, p.trans_a == 0 ? p.m : p.k, p.batch_a);
        layout(y, p, p.n, p.m, p.batch);
        ok_ = ok_ && lt.create_preference(&preference) == 0;
        prefer(LT_PREF_WORKSPACE, workspace);
        for (int what : {LT_PREF_ALIGN_A, LT_PREF_ALIGN_B, LT_PREF_ALIGN_C, LT_PREF_ALIGN_D})
            prefer(what, p.type == LT_R_32F ? uint32_t{ALIGNMENT} : uint32_t{ALIGNMENT});
    }
    ~Descriptions() {
        const CublasLt &lt = cublaslt();
        if (desc != nullptr) lt.destroy_desc(desc);
        for (void *one : {a, b, y})
            if (one != nullptr) lt.destroy_layout(one);
        if (preference != nullptr) lt.destroy_preference(preference);
    }
    Descriptions(const Descriptions &) = delete;
    Descriptions &operator=(const Descriptions &) = delete;
    bool ok() const { return ok_; }

  private:
    bool ok_ = true;

    template <typename T>
    void set(int what, T value) {
        ok_ = ok_ && cublaslt().set_desc(desc, what, &value, sizeof value) == 0;
    }
    template <typename T>
    void prefer(int what, T value) {
        ok_ = ok_ && cublaslt().set_preference(preference, what, &value, sizeof value) == 0;
    }
    void layout(void *&made, const Product &p, int64_t rows, int64_t columns, int64_t batch) {
        const CublasLt &lt = cublaslt();
        ok_ = ok_ &&
              lt.create_layout(&made, p.type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), rows) == 0;
        const auto count = static_cast<int32_t>(p.batch);
        const int64_t stride = batch == 1 && p.batch > 1 ? 0 : rows * columns;
        if (count == 1) return;
        ok_ = ok_ && lt.set_layout(made, LT_LAYOUT_BATCH_COUNT, &count, sizeof count) == 0 &&
              lt.set_layout(made, LT_LAYOUT_BATCH_STRIDE, &stride, sizeof stride) == 0;
    }
};

struct Device {
    std::mutex mutex;
    void *handle = nullptr;
    std::map<std::array<int64_t, 15>, std::vector<LtAlgorithm>> algorithms;
};

Device &device() {
    static auto *devices = new std::array<Device, 64>;
    int ordinal = 0;
    cudaGetDevice(&ordinal);
    return (*devices)[static_cast<size_t>(ordinal % 64)];
}

std::array<int64_t, 15> key_of(const Product &p, uint64_t workspace) {
    return {p.trans_a,
            p.trans_b,
            p.batch_a,
            p.batch_b,
            p.batch,
            p.m,
            p.n,
            p.k,
            p.activation,
            p.has_bias,
            p.has_residual,
            p.type,
            p.alpha == 1.0,
            static_cast<int64_t>(workspace),
            0};
}

// What the library proposes, its favourite first; found once for each product.
const std::vector<LtAlgorithm> &algorithms(Device &on, const Product &p, uint64_t workspace, const Descriptions &d) {
    std::vector<LtAlgorithm> &known = on.algorithms[key_of(p, workspace)];
    if (!known.empty()) return known;
    LtHeuristic found[MAX_ALGORITHMS];
    int count = 0;
    cublaslt().heuristics(on.handle, d.desc, d.b, d.a, d.y, d.y, d.preference, MAX_ALGORITHMS, found, &count);
    for (int i = 0; i < count; ++i)
        if (found[i].status == 0) known.push_back(found[i].algorithm);
    return known;
}

int32_t run(const ew_call *call) {
    Product p{};
    if (!parse(call, p)) return call->host->error(call, EW_INVALID_PLAN, "the parameters describe no product");
    if (p.m == 0 || p.n == 0 || p.batch == 0) return EW_OK;
    CublasLt &lt = cublaslt();
    if (!lt.ready)
        return call->host->error(call, EW_DEVICE, "cuBLASLt cannot be loaded (%s); install nvidia-cublas",
                                 lt.library.missing());
    Device &on = device();
    const void *bias = p.has_bias != 0 ? call->inputs[2].data : nullptr;
    const void *residual = p.has_residual != 0 ? call->inputs[2 + p.has_bias].data : call->outputs[0].data;
    const Descriptions d(p, call->workspace_size, bias);
    LtAlgorithm chosen;
    {
        const std::lock_guard lock(on.mutex);
        if (on.handle == nullptr && lt.create(&on.handle) != 0)
            return call->host->error(call, EW_DEVICE, "cuBLASLt cannot be started");
        const std::vector<LtAlgorithm> &known = algorithms(on, p, call->workspace_size, d);
        const auto count = static_cast<int64_t>(known.size());
        const int64_t number = p.any_size && p.algorithm >= count ? 0 : p.algorithm;
        if (!d.ok() || number >= count)
            return call->host->error(call, EW_FAILED, "cuBLASLt has %d algorithms for this product, not %lld",
                                     static_cast<int>(known.size()), static_cast<long long>(p.algorithm) + 1);
        chosen = known[static_cast<size_t>(number)];
    }
    const auto alpha = static_cast<float>(p.alpha), beta = p.has_residual != 0 ? 1.0F : 0.0F;
    const int status =
        lt.matmul(on.handle, d.desc, &alpha, call->inputs[1].data, d.b, call->inputs[0].data, d.a, &beta, residual, d.y,
                  call->outputs[0].data, d.y, &chosen, call->workspace, call->workspace_size, call->stream);
    return status == 0 ? EW_OK : call->host->error(call, EW_FAILED, "cuBLASLt returned status %d", status);
}

}  // namespace
}  // namespace ew::cuda

EW_KERNEL(matmul_cublaslt, ew::cuda::run)
