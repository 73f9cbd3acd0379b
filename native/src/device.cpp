// The kinds of devices by name, and the steps that copy between a device and the host.
#include "device.h"

#include <map>
#include <mutex>
#include <string>

#include "failure.h"
#include "frame.h"
#include "registry.h"
#include "types.h"

namespace ew {

namespace {

struct Kinds {
    std::mutex mutex;
    std::map<std::string, const ew_device *> by_name;
};

Kinds &kinds() {
    static Kinds *instance = new Kinds;
    return *instance;
}

// Input 0 to output 0, as one piece; queued like any step of the device.
int32_t run_copy(const ew_call *call) {
    const ew_tensor &from = call->inputs[0], &to = call->outputs[0];
    const int64_t bytes = tensor_bytes(to.dtype, to.format, to.shape, to.rank);
    if (bytes <= 0) return EW_OK;
    const Frame &frame = *Host::of(call).frame;
    const ew_device *api = frame.device().api;
    if (api->copy(to.data, from.data, static_cast<uint64_t>(bytes), call->stream) == 0) return EW_OK;
    return call->host->error(call, EW_DEVICE, "%s", api->error());
}

const PlainKernel to_device("copy_to_device", run_copy), to_host("copy_to_host", run_copy);
const PlainKernel on_device("copy_on_device", run_copy);

}  // namespace

void Device::select() const {
    if (api != nullptr) check(api->select(ordinal));
}

void Device::check(int32_t status) const {
    if (status != 0) fail(status == EW_OUT_OF_MEMORY ? EW_OUT_OF_MEMORY : EW_DEVICE, "%s", api->error());
}

bool add_device(const ew_device *device) {
    Kinds &all = kinds();
    const std::lock_guard lock(all.mutex);
    const auto found = all.by_name.find(device->name);
    if (found != all.by_name.end()) return found->second == device;
    for (uint32_t i = 0; i < device->n_kernels; ++i)
        if (!add_kernel(device->kernels[i].name, device->kernels[i].run)) return false;
    all.by_name.emplace(device->name, device);
    return true;
}

const ew_device *find_device(const char *name) {
    Kinds &all = kinds();
    const std::lock_guard lock(all.mutex);
    const auto found = all.by_name.find(name);
    return found == all.by_name.end() ? nullptr : found->second;
}

void use_device(Model &model, Device device) {
    if (model.device) fail(EW_USAGE, "the model has a device already");
    device.select();
    Buffer weights(Place{device.api, true});
    weights.reserve(model.n_weights);
    const auto bytes = static_cast<uint64_t>(model.n_weights);
    if (bytes > 0) {
        void *stream = nullptr;
        device.check(device.api->create_stream(&stream));
        const int32_t copied = device.api->copy(weights.data(), model.weights, bytes, stream);
        const int32_t waited = device.api->synchronize(stream);
        device.api->destroy_stream(stream);
        device.check(copied != 0 ? copied : waited);
    }
    model.device_weights = std::move(weights);
    model.device = device;
}

}  // namespace ew
