// Devices beside the host: which kinds there are, and how their calls fail.
#pragma once

#include "enginewright.h"

namespace ew {

// A device of a known kind; api is NULL for the host.
struct Device {
    const ew_device *api = nullptr;
    int32_t ordinal = 0;

    explicit operator bool() const { return api != nullptr; }
    // Makes it the calling thread's own. Throws EW_DEVICE.
    void select() const;
    // Throws EW_DEVICE with the device's words where a call of it failed.
    void check(int32_t status) const;
};

// False where another device, or another kernel, has its name.
bool add_device(const ew_device *device);
const ew_device *find_device(const char *name);

}  // namespace ew
