// The two texts of the forward on a CUDA device: tensor cores at the sizes where their tiles,
// warps, stages and rings end, and the plain text for everything.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "cpu_device.h"
#include "cuda_device.cuh"
#include "laws.h"
#include "special_laws.h"

namespace qaconv::test {
namespace {

bool has_tensor_cores() {
    int devices = 0, major = 0;
    if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) {
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    }
    if (major >= 8) return true;
    std::printf("SKIPPED: no CUDA device of compute capability 8.0 or later\n");
    ++counts().skipped;
    return false;
}

// Rows of a warp: 48; of a thread block: 192; columns of a stage: 48 (resident), 64 or 32
// (streamed). Channels: up to 64 and 128 stay resident, more stream, 32 at a time.
constexpr Shape kTensorShapes[] = {
    {2, 3, 128, 192, 192},  // the usual network
    {1, 2, 65, 96, 49},     // two warps; channels one more than the shorter resident step
    {2, 1, 33, 100, 70},    // three warps, the last with rows beyond the map
    {1, 2, 129, 50, 97},    // streamed, by one channel
    {2, 1, 300, 193, 33},   // two blocks of rows
    {1, 1, 17, 47, 300},    // the other way round
    {1, 1, 8, 500, 260},    // three blocks of rows, positions of two bytes
    {3, 3, 64, 48, 48},     // every edge at once
};

template <typename T>
void check_against_cpu(const Shape& shape, DType dtype) {
    const CudaDevice cuda;
    const CpuDevice cpu = scalar_cpu();
    const TestMaps probe = probe_of(shape, dtype, Layout::kContiguous, WholeNumbers{61});
    const TestMaps gallery = gallery_of(shape, dtype, Layout::kChannelsLast, WholeNumbers{62});
    check_maxima_bits(correlation_max<T>(cuda, probe, gallery),
                      correlation_max<T>(cpu, probe, gallery), "cuda and cpu");
    const Head<T> head{whole_numbers<T>(shape.probe_places, 63),
                       whole_numbers<T>(shape.gallery_places, 64), 2};
    check_exact(match_scores(cuda, probe, gallery, head), match_scores(cpu, probe, gallery, head),
                "cuda and cpu, scores");
}

void tensor_shapes() {
    for (const Shape& shape : kTensorShapes) {
        for (DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
            run_case("tensor cores: " + name_of(shape) + ", " + name_of(dtype), [&] {
                check_against_cpu<float>(shape, dtype);
                check_forward<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
                check_bits<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
            });
        }
    }
}

// More pairs than tasks that a device holds at once: several tasks for a block, several gallery
// maps for a task.
void many_pairs() {
#if defined(QACONV_EMULATED)
    constexpr Shape kShape{70, 60, 2, 5, 7};
#else
    constexpr Shape kShape{300, 500, 2, 5, 7};
#endif
    for (DType dtype : {DType::kFloat32, DType::kFloat16}) {
        run_case(std::string("many pairs, ") + name_of(dtype),
                 [&] { check_against_cpu<float>(kShape, dtype); });
    }
    run_case("many pairs of a self match", [&] {
        const TestMaps maps =
            probe_of(kShape, DType::kFloat16, Layout::kContiguous, WholeNumbers{65});
        const std::vector<float> weight = whole_numbers<float>(kShape.probe_places, 66);
        check_exact(pairwise_distance(CudaDevice(), maps, weight, 1.0f),
                    pairwise_distance(scalar_cpu(), maps, weight, 1.0f), "distances");
    });
}

// A pair of ordinary maps has the same bits whatever maps are beside it.
void wild_maps_beside_ordinary_ones() {
    for (DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
        run_case(std::string("a wild map beside ordinary ones, ") + name_of(dtype), [&] {
            const Shape shape{3, 2, 20, 17, 19};
            const auto with_nan = [](int64_t n, int64_t c, int64_t s) {
                return n == 1 && c == 19 && s == 16 ? kNaN : Fractions{67}(n, c, s);
            };
            const TestMaps gallery = gallery_of(shape, dtype, Layout::kContiguous, Fractions{68});
            const TestMaps wild = probe_of(shape, dtype, Layout::kContiguous, with_nan);
            const TestMaps tame = probe_of(shape, dtype, Layout::kContiguous, Fractions{67});
            const CudaDevice device;
            const Maxima<float> some = correlation_max<float>(device, wild, gallery);
            const Maxima<float> all = correlation_max<float>(device, tame, gallery);
            const int64_t size = shape.galleries * shape.probe_places;
            for (int64_t k = 0; k < 3 * size; ++k) {
                const int64_t s = k % shape.probe_places;
                if (k / size != 1) {
                    check(same_bits(some.over_gallery[k], all.over_gallery[k]), "ordinary pair");
                } else if (s == 16) {
                    check(std::isnan(some.over_gallery[k]), "NaN at its place");
                    check(some.gallery_index[k] == 0, "the first of the NaN");
                } else {
                    check(std::abs(some.over_gallery[k] - all.over_gallery[k]) < 1e-5,
                          "another place of the wild map");
                }
            }
        });
    }
}

// Maps scaled by powers of two have correlations scaled by powers of two, bit for bit: the split of
// float32 is relative to the map.
void scaled_maps() {
    run_case("scaled float32 maps", [] {
        const Shape shape{2, 2, 37, 17, 18};
        const auto scaled = [](int power) {
            return [power](int64_t n, int64_t c, int64_t s) {
                return std::ldexp(static_cast<float>(Fractions{69}(n, c, s)), power);
            };
        };
        const auto maxima = [&](int p, int g) {
            return correlation_max<float>(
                CudaDevice(), probe_of(shape, DType::kFloat32, Layout::kContiguous, scaled(p)),
                gallery_of(shape, DType::kFloat32, Layout::kContiguous, scaled(g)));
        };
        std::vector<float> wanted = maxima(0, 0).over_gallery;
        for (float& value : wanted) value = std::ldexp(value, -23 + 40);
        check_same_bits(maxima(-23, 40).over_gallery, wanted, "2^-23 and 2^40");
    });
}

// Of unit vectors, the mean of the error of float32 correlations is at most twice that of the
// plain text, which rounds as any float32 program.
void precision_of_float32() {
    run_case("precision of float32", [] {
        constexpr int64_t kChannels = 128, kPlaces = 48;
        const auto normal = [](int64_t n, int64_t c, int64_t s) {
            double sum = -6;  // of twelve uniform numbers: nearly normal, variance 1
            for (int k = 0; k < 12; ++k) {
                sum += random_number(70 + static_cast<uint64_t>(n),
                                     static_cast<uint64_t>((c * 1000 + s) * 12 + k));
            }
            return sum / std::sqrt(static_cast<double>(kChannels));
        };
        const TestMaps maps(2, kChannels, kPlaces, DType::kFloat32, Layout::kContiguous, normal);
        const ReferenceMaxima<float> wanted(maps, maps);
        const auto error = [&](cuda::Text text) {
            cuda::set_text(text);
            const Maxima<float> maxima = correlation_max<float>(CudaDevice(), maps, maps);
            cuda::set_text(cuda::Text::kTensor);
            double sum = 0;
            for (size_t k = 0; k < maxima.over_gallery.size(); ++k) {
                sum += std::abs(maxima.over_gallery[k] - wanted.over_gallery.value[k]);
            }
            return sum / static_cast<double>(maxima.over_gallery.size());
        };
        const double tensor = error(cuda::Text::kTensor), plain = error(cuda::Text::kPlain);
        std::printf("mean error of a float32 maximum: tensor cores %.3g, plain text %.3g\n", tensor,
                    plain);
        check(tensor <= 2 * plain, "got " + text(tensor) + ", wanted at most twice " + text(plain));
    });
}

void plain_text() {
    cuda::set_text(cuda::Text::kPlain);
    arithmetic() = Arithmetic();
    for (const Shape& shape : {Shape{1, 2, 37, 15, 16}, Shape{2, 1, 5, 17, 35}}) {
        for (DType dtype : kDTypes) {
            run_case("plain text: " + name_of(shape) + ", " + name_of(dtype), [&] {
                with_sum_type(dtype, [&](auto zero) {
                    using T = decltype(zero);
                    check_forward<T>(CudaDevice(), shape, dtype, Layout::kSliced);
                    check_bits<T>(CudaDevice(), shape, dtype, Layout::kChannelsLast);
                });
            });
        }
    }
    run_special_laws(std::vector<CudaDevice>(1));
    cuda::set_text(cuda::Text::kTensor);
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv::test;
    if (!has_tensor_cores()) return finish();
    arithmetic() = kTensorCores;
    tensor_shapes();
    many_pairs();
    wild_maps_beside_ordinary_ones();
    scaled_maps();
    precision_of_float32();
    plain_text();
    return finish();
}
