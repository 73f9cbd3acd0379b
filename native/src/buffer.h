// Memory that a context owns and reuses: it grows and never shrinks, so a steady state allocates nothing.
#pragma once

#include <cstdint>
#include <utility>

#include "enginewright.h"

namespace ew {

// Whose memory a buffer takes: the host's (device NULL), the host's that a device reaches, the device's.
struct Place {
    const ew_device *device = nullptr;
    bool on_device = false;
};

class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(Place place) : place_(place) {}
    Buffer(Buffer &&other) noexcept { swap(other); }
    Buffer &operator=(Buffer &&other) noexcept {
        swap(other);
        return *this;
    }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer();

    char *data() const { return data_; }
    int64_t capacity() const { return capacity_; }

    // Makes room for `bytes`, 64-byte aligned; the content is lost if the memory moves. True if it moved.
    // Throws EW_OUT_OF_MEMORY.
    bool reserve(int64_t bytes);
    // The same, keeping the first `used` bytes.
    bool extend(int64_t bytes, int64_t used);

    void swap(Buffer &other) noexcept {
        std::swap(place_, other.place_);
        std::swap(data_, other.data_);
        std::swap(capacity_, other.capacity_);
    }

  private:
    char *allocate(int64_t bytes) const;
    void release();

    Place place_;
    char *data_ = nullptr;
    int64_t capacity_ = 0;
};

}  // namespace ew
