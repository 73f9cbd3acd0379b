// Aligned memory; large blocks ask for huge pages, which saves most of the page faults of a first run.
#include "buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "enginewright.h"
#include "failure.h"

namespace ew {

namespace {

constexpr int64_t ALIGNMENT = 64;
constexpr int64_t HUGE_PAGE = int64_t{2} << 20;
constexpr int64_t LIMIT = int64_t{1} << 46;  // more than any machine of today has; sums of sizes cannot overflow

char *allocate_host(int64_t bytes) {
    const bool huge = bytes >= 2 * HUGE_PAGE;
    const int64_t alignment = huge ? HUGE_PAGE : ALIGNMENT;
    const auto rounded = static_cast<size_t>((bytes + alignment - 1) / alignment * alignment);
    void *memory = std::aligned_alloc(static_cast<size_t>(alignment), rounded);
    if (memory != nullptr && huge) madvise(memory, rounded, MADV_HUGEPAGE);
    return static_cast<char *>(memory);
}

}  // namespace

Buffer::~Buffer() { release(); }

char *Buffer::allocate(int64_t bytes) const {
    if (place_.device == nullptr) return allocate_host(bytes);
    void *memory = nullptr;
    const auto size = static_cast<uint64_t>(bytes);
    const auto take = place_.on_device ? place_.device->allocate : place_.device->allocate_host;
    if (take(&memory, size) != 0)
        fail(EW_OUT_OF_MEMORY, "%s: %lld bytes", place_.device->error(), static_cast<long long>(bytes));
    return static_cast<char *>(memory);
}

void Buffer::release() {
    char *memory = std::exchange(data_, nullptr);
    if (place_.device == nullptr) {
        std::free(memory);
    } else if (memory != nullptr) {
        (place_.on_device ? place_.device->release : place_.device->release_host)(memory);
    }
}

bool Buffer::reserve(int64_t bytes) {
    if (bytes <= capacity_ && data_ != nullptr) return false;
    release();
    const int64_t before = std::exchange(capacity_, 0);
    return extend(std::max(bytes, before > 0 ? before + before / 4 : 0), 0);
}

bool Buffer::extend(int64_t bytes, int64_t used) {
    if (bytes <= capacity_ && data_ != nullptr) return false;
    if (bytes > LIMIT) fail(EW_OUT_OF_MEMORY, "%lld bytes are needed at once", static_cast<long long>(bytes));
    const int64_t wanted = std::max({bytes, used > 0 ? capacity_ * 2 : 0, ALIGNMENT});
    char *memory = allocate(wanted);
    if (memory == nullptr) fail(EW_OUT_OF_MEMORY, "no memory for %lld bytes", static_cast<long long>(wanted));
    if (used > 0) std::memcpy(memory, data_, static_cast<size_t>(used));
    release();
    data_ = memory;
    capacity_ = wanted;
    return true;
}

}  // namespace ew
