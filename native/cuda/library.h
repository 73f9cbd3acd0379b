// Vendor libraries, opened when they are first needed and never closed; where to look comes from Python.
#pragma once

#include <string>

namespace ew::cuda {

// Folders (separated by colons) that are searched before the system's, and one for compiled kernels.
void set_folders(const char *libraries, const char *cache);
const std::string &cache_folder();

// A library under one of these file names; NULL if there is none. The reason is kept for missing().
class Library {
  public:
    explicit Library(std::initializer_list<const char *> names);
    explicit operator bool() const { return handle_ != nullptr; }
    const char *missing() const { return missing_.c_str(); }
    // Sets a function pointer; false, and missing() tells, where the library has no such function.
    template <typename Fn>
    bool get(Fn *&function, const char *name) {
        function = reinterpret_cast<Fn *>(find(name));
        return function != nullptr;
    }

  private:
    void *handle_ = nullptr;
    std::string missing_;
    void *find(const char *name);
};

}  // namespace ew::cuda
