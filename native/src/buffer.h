// Memory that a context owns and reuses: it grows and never shrinks, so a steady state allocates nothing.
#pragma once

#include <cstdint>
#include <utility>

namespace ew {

class Buffer {
  public:
    Buffer() = default;
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
        std::swap(data_, other.data_);
        std::swap(capacity_, other.capacity_);
    }

  private:
    char *data_ = nullptr;
    int64_t capacity_ = 0;
};

}  // namespace ew
