// The kernel of elementwise layers: any program on any number of inputs, broadcast to the shape of the outputs.
//
// An output may share the memory of an input of the same size and type. No parameters but the program.
#include "cpu/pointwise_tiles.h"

namespace ew::EW_ISA {
namespace {

constexpr int64_t TASK_COST = 1 << 15;  // element operations: about 4 us, twice what a fork and join takes
constexpr int64_t LONG_ROW = 192;       // elements from which on a tile ends with its row

int64_t broadcast_stride(const ew_tensor &input, int axis_from_end) {
    const int axis = input.rank - 1 - axis_from_end;
    if (axis < 0 || input.shape[axis] == 1) return 0;
    int64_t stride = 1;
    for (int a = axis + 1; a < input.rank; ++a) stride *= input.shape[a];
    return stride;
}

bool fits(const ew_tensor &input, const ew_tensor &output) {
    for (int k = 0; k < input.rank; ++k) {
        const int64_t size = input.shape[input.rank - 1 - k];
        if (size != 1 && (k >= output.rank || size != output.shape[output.rank - 1 - k])) return false;
    }
    return true;
}

// From the last axis to the first; an axis joins the one inside it if that holds for all inputs.
void merge_axes(Job &job) {
    const ew_call *call = job.call;
    const ew_tensor &output = call->outputs[0];
    Axes &axes = job.axes;
    const int n = job.program.n_inputs;
    for (int k = 0; k < output.rank; ++k) {
        const int64_t size = output.shape[output.rank - 1 - k];
        if (size == 1) continue;
        const int last = axes.rank - 1;
        bool joins = axes.rank > 0;
        for (int i = 0; i < n && joins; ++i)
            joins = broadcast_stride(call->inputs[i], k) == axes.stride[i][last] * axes.size[last];
        if (joins) {
            axes.size[last] *= size;
            continue;
        }
        for (int i = 0; i < n; ++i) axes.stride[i][axes.rank] = broadcast_stride(call->inputs[i], k);
        axes.size[axes.rank++] = size;
    }
    if (axes.rank == 0) {
        for (int i = 0; i < n; ++i) axes.stride[i][0] = 0;
        axes.size[axes.rank++] = 1;
    }
}

// The place of an element in a broadcast input. Axis 0 of `axes` is the innermost.
struct Place {
    int64_t index[EW_MAX_RANK], offset = 0;
};

Place locate(const Axes &axes, const int64_t *stride, int64_t element) {
    Place place;
    for (int a = 0; a < axes.rank; ++a) {
        place.index[a] = element % axes.size[a];
        element /= axes.size[a];
        place.offset += place.index[a] * stride[a];
    }
    return place;
}

void next_row(const Axes &axes, const int64_t *stride, Place &place) {
    place.offset -= place.index[0] * stride[0];
    place.index[0] = 0;
    for (int a = 1; a < axes.rank; ++a) {
        place.offset += stride[a];
        if (++place.index[a] < axes.size[a]) return;
        place.offset -= axes.size[a] * stride[a];
        place.index[a] = 0;
    }
}

// Whether an input is the same in every row, as a number for each channel of an image with its channels last is.
bool repeats(const Axes &axes, int input) {
    bool same = axes.stride[input][0] != 0;
    for (int a = 1; a < axes.rank; ++a) same = same && axes.stride[input][a] == 0;
    return same;
}

// Writes elements [start, start + n) of the broadcast input to its register, or points to them where they lie.
void spread(Registers &registers, const Job &job, int input, int64_t start, int64_t n, void *slot, Filled &filled) {
    const Axes &axes = job.axes;
    const int32_t dtype = job.program.dtypes[input];
    const int64_t size = element_size(dtype), out_size = element_size(machine_type(dtype));
    const int64_t *stride = axes.stride[input];
    const char *data = static_cast<const char *>(job.call->inputs[input].data);
    Place place = locate(axes, stride, start);
    const bool one_row = place.index[0] + n <= axes.size[0];
    registers.values[input] = slot;
    if (one_row && stride[0] != 0 && machine_type(dtype) == dtype) {
        registers.values[input] = const_cast<char *>(data + place.offset * size);
        return;
    }
    const bool kept = (one_row && stride[0] == 0) || (place.index[0] == 0 && repeats(axes, input));
    if (kept && filled.offset == place.offset && filled.n >= n) return;
    filled = {kept ? place.offset : -1, n};
    char *to = static_cast<char *>(slot);
    while (n > 0) {
        const int64_t run = std::min(n, axes.size[0] - place.index[0]);
        if (stride[0] == 0)
            fill_elements(to, data + place.offset * size, dtype, run);
        else
            load_elements(to, data + place.offset * size, dtype, run);
        to += run * out_size;
        n -= run;
        next_row(axes, stride, place);
    }
}

}  // namespace

void read_input(const Job &job, Registers &registers, int i, int64_t start, int64_t n, void *slot, Filled &filled) {
    const ew_tensor &input = job.call->inputs[i];
    char *at = static_cast<char *>(input.data) + start * element_size(input.dtype);
    if (job.access[i] == Access::direct) registers.values[i] = at;
    if (job.access[i] == Access::widened) load_elements(slot, at, input.dtype, n);
    if (job.access[i] == Access::spread) spread(registers, job, i, start, n, slot, filled);
}

namespace {

void run_task(void *argument, int64_t task) {
    const Job &job = *static_cast<const Job *>(argument);
    const Program &program = job.program;
    for_tiles(job, task, [&](Registers &registers, int64_t start, int64_t n) {
        const auto target = [&](int k) {
            const ew_tensor &output = job.call->outputs[k];
            return static_cast<char *>(output.data) + start * element_size(output.dtype);
        };
        if (program.direct_output()) registers.values[program.outputs[0]] = target(0);
        program.run(registers, n);
        for (int k = 0; k < program.n_outputs; ++k)
            store_elements(target(k), registers.values[program.outputs[k]], program.dtypes[program.outputs[k]], n);
    });
}

// Decides how each input is read; the masks are those of Program::allocate.
void choose_access(Job &job, uint32_t *direct, uint32_t *lasting) {
    for (int i = 0; i < job.program.n_inputs; ++i) {
        const ew_tensor &input = job.call->inputs[i];
        int64_t elements = 1;
        for (int a = 0; a < input.rank; ++a) elements *= input.shape[a];
        const bool whole = elements == job.total, widens = machine_type(input.dtype) != input.dtype;
        job.access[i] = !job.program.reads(i) ? Access::unused
                        : whole && !widens    ? Access::direct
                        : whole               ? Access::widened
                        : elements == 1       ? Access::scalar
                                              : Access::spread;
        if (job.access[i] == Access::direct) *direct |= 1u << i;
        // What spread() leaves in a register because the next tile reads the same must outlive the program.
        const bool kept = job.access[i] == Access::spread && (job.axes.stride[i][0] == 0 || repeats(job.axes, i));
        if (job.access[i] == Access::scalar || kept) *lasting |= 1u << i;
    }
}

int32_t check_inputs(const Job &job) {
    const ew_call *call = job.call;
    const Program &program = job.program;
    if (call->n_inputs != program.n_inputs)
        return call->host->error(call, EW_INVALID_PLAN, "a pointwise program has other inputs than its step");
    for (int i = 0; i < program.n_inputs; ++i) {
        if (call->inputs[i].dtype != program.dtypes[i])
            return call->host->error(call, EW_INVALID_PLAN, "input %d of a pointwise program has another type", i);
        if (!fits(call->inputs[i], call->outputs[0]))
            return call->host->error(call, EW_SHAPE, "input %d of a pointwise program does not broadcast", i);
    }
    return EW_OK;
}

int32_t check_outputs(const Job &job) {
    const ew_call *call = job.call;
    const Program &program = job.program;
    if (call->n_outputs != program.n_outputs)
        return call->host->error(call, EW_INVALID_PLAN, "a pointwise program has other outputs than its step");
    for (int k = 0; k < program.n_outputs; ++k)
        if (call->outputs[k].dtype != program.dtypes[program.outputs[k]])
            return call->host->error(call, EW_INVALID_PLAN, "output %d of a pointwise program has another type", k);
    return EW_OK;
}

}  // namespace

int32_t prepare(const ew_call *call, Job &job) {
    job.call = call;
    int64_t used = 0;
    if (!job.program.parse(call->params, call->n_params, &used) || used != call->n_params)
        return call->host->error(call, EW_INVALID_PLAN, "the parameters are no pointwise program");
    if (const int32_t status = check_inputs(job); status != EW_OK) return status;
    for (int a = 0; a < call->outputs[0].rank; ++a) job.total *= call->outputs[0].shape[a];
    if (job.total == 0) return EW_OK;
    merge_axes(job);
    uint32_t direct = 0, lasting = 0;
    choose_access(job, &direct, &lasting);
    job.tile = job.program.allocate(direct, lasting);
    if (job.tile == 0) return call->host->error(call, EW_INVALID_PLAN, "a pointwise program is too large");
    const int64_t row = job.axes.size[0];
    for (int i = 0; i < job.program.n_inputs; ++i)
        job.by_rows |= job.access[i] == Access::spread && (!repeats(job.axes, i) || 4 * row > job.tile);
    job.by_rows &= row >= LONG_ROW;
    if (row < job.tile) job.tile -= job.tile % row;  // so that each tile begins with a row
    const int64_t tasks = std::clamp<int64_t>(job.total * job.program.cost() / TASK_COST, 1, MOST_TASKS);
    const int64_t tiles = (job.total + job.tile - 1) / job.tile;
    job.chunk = (tiles + tasks - 1) / tasks * job.tile;
    return EW_OK;
}

namespace {

int32_t run(const ew_call *call) {
    Job job;
    if (const int32_t status = prepare(call, job); status != EW_OK) return status;
    if (const int32_t status = check_outputs(job); status != EW_OK) return status;
    if (job.tasks() == 1)
        run_task(&job, 0);
    else if (job.tasks() > 1)
        call->host->parallel(call, job.tasks(), run_task, &job);
    return EW_OK;
}

}  // namespace

EW_KERNEL(pointwise, run)

}  // namespace ew::EW_ISA
