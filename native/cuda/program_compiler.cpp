// NVRTC behind two caches: of kernels that are loaded, and of machine code on disk.
#include "program_compiler.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

#include "library.h"

namespace ew::cuda {

namespace {

// NVRTC's interface, as far as it is used here.
using nvrtcProgram = struct NvrtcProgram *;

struct Nvrtc {
    Library library{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
    int (*create)(nvrtcProgram *, const char *, const char *, int, const char *const *, const char *const *) = nullptr;
    int (*destroy)(nvrtcProgram *) = nullptr;
    int (*compile)(nvrtcProgram, int, const char *const *) = nullptr;
    int (*code_size)(nvrtcProgram, size_t *) = nullptr;
    int (*code)(nvrtcProgram, char *) = nullptr;
    int (*log_size)(nvrtcProgram, size_t *) = nullptr;
    int (*log)(nvrtcProgram, char *) = nullptr;
    int (*version)(int *, int *) = nullptr;
    bool ready;

    Nvrtc()
        : ready(library.get(create, "nvrtcCreateProgram") && library.get(destroy, "nvrtcDestroyProgram") &&
                library.get(compile, "nvrtcCompileProgram") && library.get(code_size, "nvrtcGetCUBINSize") &&
                library.get(code, "nvrtcGetCUBIN") && library.get(log_size, "nvrtcGetProgramLogSize") &&
                library.get(log, "nvrtcGetProgramLog") && library.get(version, "nvrtcVersion")) {}
};

Nvrtc &nvrtc() {
    static auto *instance = new Nvrtc;
    return *instance;
}

// FNV-1a with two seeds: 128 bits are enough to tell the programs of one machine apart.
std::string digest(const std::string &text) {
    char name[40];
    uint64_t hash[2] = {14695981039346656037ULL, 0x9e3779b97f4a7c15ULL};
    for (const char c : text)
        for (uint64_t &h : hash) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hash[0]),
                  static_cast<unsigned long long>(hash[1]));
    return name;
}

std::string cache_path(const std::string &source, const std::string &architecture) {
    if (cache_folder().empty()) return {};
    int major = 0, minor = 0;
    nvrtc().version(&major, &minor);
    std::ostringstream key;
    key << source << '|' << architecture << '|' << major << '.' << minor;
    return cache_folder() + '/' + digest(key.str()) + '.' + architecture + ".cubin";
}

// The file begins with the digest of its code, so that one cut short is compiled again.
bool read_cached(const std::string &path, std::string &code) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (path.empty() || !(content << file.rdbuf())) return false;
    const std::string all = content.str();
    if (all.size() <= 32) return false;
    code = all.substr(32);
    return digest(code) == all.substr(0, 32);
}

void write_cached(const std::string &path, const std::string &code) {
    if (path.empty()) return;
    const std::string half = path + '.' + std::to_string(getpid());
    mkdir(cache_folder().c_str(), 0700);
    {
        std::ofstream file(half, std::ios::binary);
        file << digest(code) << code;
        if (!file.flush()) return;
    }
    if (std::rename(half.c_str(), path.c_str()) != 0) std::remove(half.c_str());
}

bool compile_now(const std::string &source, const std::string &architecture, std::string &code, std::string &error) {
    const Nvrtc &api = nvrtc();
    nvrtcProgram program = nullptr;
    const std::string target = "--gpu-architecture=" + architecture;
    const char *options[] = {target.c_str(), "--std=c++17", "--fmad=true", "--device-as-default-execution-space"};
    int status = api.create(&program, source.c_str(), "program.cu", 0, nullptr, nullptr);
    if (status == 0) status = api.compile(program, 4, options);
    size_t size = 0;
    if (status != 0) {
        api.log_size(program, &size);
        std::string log(size, '\0');
        api.log(program, log.data());
        error = "NVRTC: " + log.substr(0, 1500);
    } else {
        api.code_size(program, &size);
        code.resize(size);
        api.code(program, code.data());
    }
    api.destroy(&program);
    return status == 0;
}

struct Kernels {
    std::mutex mutex;
    std::map<std::string, cudaKernel_t> by_source;
};

cudaKernel_t load(const std::string &source, const char *name, std::string &error) {
    int device = 0, major = 0, minor = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    const std::string architecture = "sm_" + std::to_string(major * 10 + minor);
    std::string code;
    if (!compile(source, architecture, code, error)) return nullptr;
    cudaLibrary_t library = nullptr;
    cudaKernel_t kernel = nullptr;
    cudaError_t status = cudaLibraryLoadData(&library, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
    if (status == cudaSuccess) status = cudaLibraryGetKernel(&kernel, library, name);
    if (status != cudaSuccess) error = std::string("loading a compiled program: ") + cudaGetErrorString(status);
    return status == cudaSuccess ? kernel : nullptr;
}

}  // namespace

bool compile(const std::string &source, const std::string &architecture, std::string &code, std::string &error) {
    if (!nvrtc().ready) {
        error = std::string("NVRTC cannot be loaded (") + nvrtc().library.missing() +
                "); install nvidia-cuda-nvrtc or the CUDA toolkit";
        return false;
    }
    const std::string path = cache_path(source, architecture);
    if (read_cached(path, code)) return true;
    if (!compile_now(source, architecture, code, error)) return false;
    write_cached(path, code);
    return true;
}

cudaKernel_t compiled_kernel(const std::string &source, const char *name, std::string &error) {
    static auto *kernels = new Kernels;
    const std::lock_guard lock(kernels->mutex);
    const auto found = kernels->by_source.find(source);
    if (found != kernels->by_source.end()) return found->second;
    cudaKernel_t kernel = load(source, name, error);
    if (kernel != nullptr) kernels->by_source.emplace(source, kernel);
    return kernel;
}

}  // namespace ew::cuda
