// Results of more than 2^31 elements without the memory for them: the same few pages stand behind
// most of the result, and pages of its own behind its end, which is what is looked at.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "check.h"
#include "core/correlation_max.h"
#include "cpu_device.h"

namespace qaconv::test {
namespace {

constexpr int64_t kChunk = int64_t{1} << 24;  // bytes, a multiple of every page size

// Writable memory of at least `bytes`, of which only the last two chunks are remembered.
class Forgetful {
  public:
    explicit Forgetful(int64_t bytes) : size_((bytes / kChunk + 2) * kChunk) {
        void* reserved = mmap(nullptr, static_cast<size_t>(size_), PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (reserved == MAP_FAILED) return;
        data_ = static_cast<char*>(reserved);
        const int file = memfd_create("forgetful", 0);
        mapped_ = file >= 0 && ftruncate(file, 3 * kChunk) == 0;
        for (int64_t at = 0; mapped_ && at < size_; at += kChunk) {
            const int64_t from_end = (size_ - at) / kChunk;  // 1 for the last
            const int64_t page = from_end <= 2 ? from_end * kChunk : 0;
            mapped_ = mmap(data_ + at, kChunk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
                           page) != MAP_FAILED;
        }
        if (file >= 0) close(file);
    }
    ~Forgetful() {
        if (data_ != nullptr) munmap(data_, static_cast<size_t>(size_));
    }
    Forgetful(const Forgetful&) = delete;
    Forgetful& operator=(const Forgetful&) = delete;

    bool mapped() const { return mapped_; }
    char* data() const { return data_; }

  private:
    int64_t size_;
    char* data_ = nullptr;
    bool mapped_ = false;
};

// One channel of ones against maps of one location: every maximum of pair g is map g's number.
void correlation_max_beyond(const CpuDevice& device) {
    const int64_t locations = 16384, count = (int64_t{1} << 31) / locations + 3;
    const std::vector<float> probe(static_cast<size_t>(locations), 1.0f);
    std::vector<float> gallery(static_cast<size_t>(count));
    for (int64_t g = 0; g < count; ++g) gallery[static_cast<size_t>(g)] = static_cast<float>(g);
    const Forgetful over_gallery(count * locations * 4), gallery_index(count * locations);
    std::vector<float> over_probe(static_cast<size_t>(count));
    std::vector<int16_t> probe_index(static_cast<size_t>(count), -1);
    if (!over_gallery.mapped() || !gallery_index.mapped()) {
        std::printf("skipped: so much address space cannot be mapped here\n");
        ++counts().skipped;
        --counts().passed;
        return;
    }
    CorrelationMaxParams params;
    params.probe = {probe.data(), DType::kFloat32, 1, 1, locations, locations, locations, 1};
    params.gallery = {gallery.data(), DType::kFloat32, count, 1, 1, 1, 1, 1};
    params.over_gallery = over_gallery.data();
    params.over_probe = over_probe.data();
    params.gallery_index = gallery_index.data();
    params.probe_index = probe_index.data();
    check(device.run(params) == Status::kOk, "status");
    check(over_probe == gallery, "over_probe");
    check(std::count(probe_index.begin(), probe_index.end(), 0) == count, "probe_index");
    const float* maxima = reinterpret_cast<const float*>(over_gallery.data());
    for (int64_t g = count - 5; g < count; ++g) {
        const float* begin = maxima + g * locations;
        check(std::count(begin, begin + locations, static_cast<float>(g)) == locations,
              "over_gallery of pair " + text(g));
        const char* positions = gallery_index.data() + g * locations;
        check(std::count(positions, positions + locations, 0) == locations,
              "gallery_index of pair " + text(g));
    }
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv::test;
    // What stores a pair is one variant for all instruction sets: the fastest will do.
    const CpuDevice device = serial_cpu_devices().back();
    run_case("maxima beyond 2^31 elements", [&] { correlation_max_beyond(device); });
    return finish();
}
