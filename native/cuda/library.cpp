// Vendor libraries by file name, in the folders of NVIDIA's wheels first, then where the system has them.
#include "library.h"

#include <dlfcn.h>

#include <initializer_list>
#include <mutex>

#include "enginewright.h"

namespace ew::cuda {

namespace {

struct Folders {
    std::mutex mutex;
    std::string libraries, cache;
};

Folders &folders() {
    static auto *instance = new Folders;
    return *instance;
}

void *open_in(const std::string &list, const char *name) {
    for (size_t begin = 0; begin < list.size();) {
        const size_t end = std::min(list.find(':', begin), list.size());
        const std::string path = list.substr(begin, end - begin) + '/' + name;
        if (void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return handle;
        begin = end + 1;
    }
    return nullptr;
}

}  // namespace

void set_folders(const char *libraries, const char *cache) {
    const std::lock_guard lock(folders().mutex);
    folders().libraries = libraries;
    folders().cache = cache;
}

const std::string &cache_folder() { return folders().cache; }

Library::Library(std::initializer_list<const char *> names) {
    const std::lock_guard lock(folders().mutex);
    for (const char *name : names) {
        handle_ = open_in(folders().libraries, name);
        if (handle_ == nullptr) handle_ = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
        if (handle_ != nullptr) return;
        const char *why = dlerror();
        missing_ = why != nullptr ? why : name;
    }
}

void *Library::find(const char *name) {
    void *found = handle_ == nullptr ? nullptr : dlsym(handle_, name);
    if (found == nullptr && handle_ != nullptr) missing_ = std::string("it has no function ") + name;
    return found;
}

}  // namespace ew::cuda

extern "C" EW_EXPORT void ew_cuda_folders(const char *libraries, const char *cache) {
    ew::cuda::set_folders(libraries, cache);
}
