// Runs a frame whose steps are on a device, beside some on the host: a stretch of steps on the device is queued, the
// second time as one graph; a stretch on the host begins when the device is done.
#include <algorithm>
#include <cstring>

#include "failure.h"
#include "frame.h"

namespace ew {

StretchGraph &StretchGraph::operator=(StretchGraph &&other) noexcept {
    std::swap(device, other.device);
    std::swap(graph, other.graph);
    std::swap(warm, other.warm);
    std::swap(memory_version, other.memory_version);
    return *this;
}

StretchGraph::~StretchGraph() {
    if (graph != nullptr) device->destroy_graph(graph);
}

// Host memory of such a frame is memory that the device reaches, so that copies need no detour and can be in graphs.
void Frame::use_device() {
    device_ = model_.device;
    if (!device_) fail(EW_USAGE, "the program runs on a device, and none was given to the model");
    device_.select();
    device_.check(device_.api->create_stream(&queue_.stream));
    const Place there{device_.api, true}, here{device_.api, false};
    for (Buffer &arena : arenas_) arena = Buffer(here);
    for (Buffer &arena : device_arenas_) arena = Buffer(there);
    for (Buffer &grown : grown_) grown = Buffer(here);
    for (size_t i = 0; i < inputs_.size(); ++i) {
        const bool on_device = storage(tensor(program_.inputs[i])).device == 1;
        inputs_[i].staged = Buffer(on_device ? there : here);
        inputs_[i].pinned = Buffer(here);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
        const bool on_device = storage(tensor(program_.outputs[i])).device == 1;
        outputs_[i].own = Buffer(on_device ? there : here);
        outputs_[i].pinned = Buffer(here);
    }
}

Frame::~Frame() {
    if (!device_) return;
    device_.api->select(device_.ordinal);
    device_.api->synchronize(queue_.stream);
    recent_.clear();
    row_ = StretchGraph();
    if (queue_.stream != nullptr) device_.api->destroy_stream(queue_.stream);
}

void Frame::wait() {
    queue_.busy = false;
    device_.check(device_.api->synchronize(queue_.stream));
}

void Frame::stage_inputs() {
    for (size_t i = 0; i < inputs_.size(); ++i) {
        if (!inputs_[i].foreign) continue;
        if (queue_.async) fail(EW_USAGE, "input %d lies on the host", static_cast<int>(i));
        const bool to_device = storage(tensor(program_.inputs[i])).device == 1;
        stage_input(inputs_[i], input_bytes(static_cast<int32_t>(i)), to_device);
    }
}

void Frame::stage_input(Input &input, int64_t bytes, bool to_device) {
    if (input.staged.reserve(bytes)) ++memory_version_;
    input.base = input.staged.data();
    if (bytes <= 0) return;
    const auto size = static_cast<uint64_t>(bytes);
    const void *from = input.data;
    if (to_device) {
        input.pinned.reserve(bytes);
        std::memcpy(input.pinned.data(), input.data, size);
        from = input.pinned.data();
    }
    queue_.busy = true;
    device_.check(device_.api->copy(input.staged.data(), from, size, queue_.stream));
    if (!to_device) wait();
}

void Frame::run_stretches(int32_t segment) {
    const std::vector<Stretch> &stretches = program_.segments[static_cast<size_t>(segment)].stretches;
    for (size_t i = 0; i < stretches.size(); ++i) {
        if (stretches[i].device == 1) {
            run_stretch(segment, i);
            continue;
        }
        if (queue_.async) fail(EW_USAGE, "a step of this plan runs on the host, so a run cannot be queued");
        if (queue_.busy) wait();
        for (int32_t s = stretches[i].first_step; s < stretches[i].end_step; ++s) run_step(s);
    }
}

void Frame::run_stretch(int32_t segment, size_t index) {
    const Stretch &stretch = program_.segments[static_cast<size_t>(segment)].stretches[index];
    StretchGraph &graph = current_->segments[static_cast<size_t>(segment)].graphs[index];
    queue_.busy = true;
    if (!graph.warm) {  // kernels may now load libraries, compile, and choose algorithms
        for (int32_t s = stretch.first_step; s < stretch.end_step; ++s) run_step(s);
        graph.warm = true;
        return;
    }
    if (graph.memory_version != memory_version_) record(stretch, graph, 1);
    device_.check(device_.api->launch(graph.graph, queue_.async ? queue_.caller : queue_.stream));
    if (state_.cancelled.load(std::memory_order_relaxed)) fail(EW_CANCELLED, "the run was cancelled");
}

void Frame::record(const Stretch &stretch, StretchGraph &graph, int32_t runs) {
    graph.device = device_.api;
    graph.memory_version = 0;
    device_.check(device_.api->begin_capture(queue_.stream));
    try {
        for (int32_t i = 0; i < runs; ++i)
            for (int32_t s = stretch.first_step; s < stretch.end_step; ++s) run_step(s);
    } catch (...) {
        device_.api->abandon_capture(queue_.stream);
        throw;
    }
    device_.check(device_.api->end_capture(queue_.stream, &graph.graph));
    graph.memory_version = memory_version_;
}

// One by one, each waited for: the times of kernels with the cost of launching them.
void Frame::run_stretches_timed(const Segment &segment, Profile &profile) {
    if (queue_.busy) wait();
    profile.spend(static_cast<int32_t>(program_.steps.size()));
    for (int32_t i = segment.first_step; i < segment.end_step; ++i) {
        run_step(i);
        if (program_.steps[static_cast<size_t>(i)].device == 1) wait();
        profile.spend(i);
    }
}

void Frame::copy_output(Output &output, const ew_tensor &found, int64_t bytes) {
    const auto size = static_cast<uint64_t>(bytes);
    if (queue_.async && output.foreign) fail(EW_USAGE, "an output is bound to memory of the host");
    const bool to_host = found.device == 1 && output.foreign;
    void *to = output.user;
    if (to_host) {
        output.pinned.reserve(bytes);
        to = output.pinned.data();
    }
    void *stream = queue_.async ? queue_.caller : queue_.stream;
    device_.check(device_.api->copy(to, found.data, size, stream));
    queue_.busy = true;
    if (!to_host) return;
    wait();
    std::memcpy(output.user, to, size);
}

void Frame::fetch(int32_t index, void *to, int64_t bytes) {
    const ew_tensor found = output(index);
    if (found.data == nullptr) fail(EW_USAGE, "nothing was run yet");
    if (bytes <= 0) return;
    if (found.device == 0) {
        std::memcpy(to, found.data, static_cast<size_t>(bytes));
        return;
    }
    Buffer &pinned = outputs_[static_cast<size_t>(index)].pinned;
    pinned.reserve(bytes);
    device_.check(device_.api->copy(pinned.data(), found.data, static_cast<uint64_t>(bytes), queue_.stream));
    wait();
    std::memcpy(to, pinned.data(), static_cast<size_t>(bytes));
}

bool Frame::is_recorded(int32_t segment) const {
    for (const StretchGraph &graph : current_->segments[static_cast<size_t>(segment)].graphs)
        if (!graph.warm) return false;
    return true;
}

void Frame::run_async(void *stream) {
    if (!device_) fail(EW_USAGE, "the plan runs on the host, so a run cannot be queued");
    select_resolved();
    bool ready = current_ != nullptr;
    for (size_t k = 0; k < program_.segments.size() && ready; ++k)
        ready = current_->segments[k].valid && is_recorded(static_cast<int32_t>(k));
    if (!ready) {
        device_.check(device_.api->synchronize(stream));
        return run();
    }
    queue_.async = true;
    queue_.caller = stream;
    try {
        run();
    } catch (...) {
        queue_.async = false;
        throw;
    }
    queue_.async = false;
    queue_.busy = false;
}

// One graph holds several runs of few steps: so neither the start of a graph counts, nor the pause between two, and kernels
// overlap with the next one as they do inside a network.
double Frame::time(int32_t repeats) {
    if (!device_ || program_.segments.size() != 1 || program_.segments[0].stretches.size() != 1)
        fail(EW_USAGE, "only a plan whose steps are all on the device is timed there");
    constexpr int32_t STEPS_A_GRAPH = 16;
    constexpr double LONG_ENOUGH[] = {3e6, 5e5};  // nanoseconds of a measurement: of a network, of one step
    const Stretch &stretch = program_.segments[0].stretches[0];
    const int32_t runs = std::max(1, STEPS_A_GRAPH / std::max(1, stretch.end_step - stretch.first_step));
    if (row_.memory_version != memory_version_) {
        run();
        record(stretch, row_, runs);
    }
    double nanoseconds = 0;
    device_.check(device_.api->time(row_.graph, queue_.stream, 1, &nanoseconds));
    const double enough = LONG_ENOUGH[runs > 1] / std::max(nanoseconds, 1.0);
    const auto launches = static_cast<int32_t>(std::min(std::max(1.0, enough), std::max(1.0, 1.0 * repeats / runs)));
    device_.check(device_.api->time(row_.graph, queue_.stream, launches, &nanoseconds));
    return nanoseconds / runs;
}

}  // namespace ew
