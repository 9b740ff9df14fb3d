// What every tensor-core variant must fulfil, at the sizes where tiles, warps, stages and rings
// end; and that the pairs beside a pair do not change it.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "contracts.h"
#include "cpu_device.h"
#include "cuda_device.cuh"
#include "special_contracts.h"

namespace qaconv::test {

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
    const Head<T> head{whole_numbers<T>(shape.probe_locations, 63),
                       whole_numbers<T>(shape.gallery_locations, 64), 2};
    check_exact(match_scores(cuda, probe, gallery, head), match_scores(cpu, probe, gallery, head),
                "cuda and cpu, scores");
}

inline void run_shape(const std::string& title, const Shape& shape,
                      const std::vector<DType>& dtypes) {
    for (DType dtype : dtypes) {
        run_case(title + ": " + name_of(shape) + ", " + name_of(dtype), [&] {
            check_against_cpu<float>(shape, dtype);
            check_forward<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
            check_bits<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
        });
    }
}

// A task takes several gallery maps, fewer at the end; a triangle cuts some short. The longest run
// is longer than all.
inline void run_runs(const std::vector<DType>& dtypes) {
    for (int run : {1, 3, 64}) {
        cuda::set_run(run);
        const std::string name = "runs of " + text(run) + " maps";
        for (const Shape& shape : {Shape{20, 17, 2, 5, 7}, Shape{3, 5, 70, 100, 150}}) {
            for (DType dtype : dtypes) {
                run_case(name + ": " + name_of(shape) + ", " + name_of(dtype), [&] {
                    check_against_cpu<float>(shape, dtype);
                    check_bits<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
                });
            }
        }
        run_case(name + ": a self match", [&] {
            const Shape shape{20, 0, 2, 5, 7};
            const TestMaps maps =
                probe_of(shape, DType::kFloat16, Layout::kContiguous, WholeNumbers{65});
            const std::vector<float> weight = whole_numbers<float>(shape.probe_locations, 66);
            check_exact(pairwise_distance(CudaDevice(), maps, weight, 1.0f),
                        pairwise_distance(scalar_cpu(), maps, weight, 1.0f), "distances");
        });
    }
    cuda::set_run(0);
}

// More tasks than a device holds at once.
inline void run_many_pairs(const std::vector<DType>& dtypes, const Shape& shape) {
    for (DType dtype : dtypes) {
        run_case(std::string("many pairs, ") + name_of(dtype),
                 [&] { check_against_cpu<float>(shape, dtype); });
    }
}

// A pair of ordinary maps has the same bits whatever maps are beside it.
inline void run_fallback_maps_beside_others(const std::vector<DType>& dtypes) {
    for (DType dtype : dtypes) {
        run_case(std::string("a map out of range beside ordinary ones, ") + name_of(dtype), [&] {
            const Shape shape{3, 2, 20, 17, 19};
            const auto with_nan = [](int64_t n, int64_t c, int64_t s) {
                return n == 1 && c == 19 && s == 16 ? kNaN : Fractions{67}(n, c, s);
            };
            const TestMaps gallery = gallery_of(shape, dtype, Layout::kContiguous, Fractions{68});
            const TestMaps fallback = probe_of(shape, dtype, Layout::kContiguous, with_nan);
            const TestMaps tame = probe_of(shape, dtype, Layout::kContiguous, Fractions{67});
            const CudaDevice device;
            const Maxima<float> some = correlation_max<float>(device, fallback, gallery);
            const Maxima<float> all = correlation_max<float>(device, tame, gallery);
            const int64_t size = shape.galleries * shape.probe_locations;
            for (int64_t k = 0; k < 3 * size; ++k) {
                const int64_t s = k % shape.probe_locations;
                if (k / size != 1) {
                    check(same_bits(some.over_gallery[k], all.over_gallery[k]), "ordinary pair");
                } else if (s == 16) {
                    check(std::isnan(some.over_gallery[k]), "NaN at its location");
                    check(some.gallery_index[k] == 0, "the first of the NaN");
                } else {
                    check(std::abs(some.over_gallery[k] - all.over_gallery[k]) < 1e-5,
                          "another location of the map out of range");
                }
            }
        });
    }
}

// Scores of pairs whose correlations are all negative, among others: a variant that compares bits
// must leave them to another. On whole numbers, so that all variants agree.
inline void run_negative_pairs(const std::vector<DType>& dtypes) {
    for (DType dtype : dtypes) {
        run_case(std::string("pairs of negative correlations, ") + name_of(dtype), [&] {
            const Shape shape{3, 4, 20, 70, 33};
            const auto signed_by_map = [](uint64_t seed) {
                return [seed](int64_t n, int64_t c, int64_t s) {
                    const double size = 1 + std::abs(WholeNumbers{seed}(n, c, s));
                    return n % 2 == 0 ? size : -size;
                };
            };
            const TestMaps probe = probe_of(shape, dtype, Layout::kContiguous, signed_by_map(71));
            const TestMaps gallery =
                gallery_of(shape, dtype, Layout::kContiguous, signed_by_map(72));
            const Head<float> head{whole_numbers<float>(shape.probe_locations, 73),
                                   whole_numbers<float>(shape.gallery_locations, 74), 2};
            const CudaDevice cuda;
            const CpuDevice cpu = scalar_cpu();
            check_exact(match_scores(cuda, probe, gallery, head),
                        match_scores(cpu, probe, gallery, head), "scores");
            check_exact(pairwise_distance(cuda, probe, head.probe_weight, head.bias),
                        pairwise_distance(cpu, probe, head.probe_weight, head.bias), "distances");
            check_maxima_bits(correlation_max<float>(cuda, probe, gallery),
                              correlation_max<float>(cpu, probe, gallery), "maxima");
        });
    }
}

// Of unit vectors, the mean of the error of float32 correlations beside that of the plain variant,
// which rounds as any float32 program. Tensor cores cut off where others round, at every step: on
// an H100 their mean error was 3.5 times that of the plain variant (2.3e-7 and 6.5e-8); an emulator
// that rounds is under it.
inline void precision_of_float32(cuda::Variant tensor_cores) {
    run_case("precision of float32", [&] {
        constexpr int64_t kChannels = 128, kLocations = 48;
        constexpr double kFactor = 5;
        const auto normal = [](int64_t n, int64_t c, int64_t s) {
            double sum = -6;  // of twelve uniform numbers: nearly normal, variance 1
            for (int k = 0; k < 12; ++k) {
                sum += random_number(70 + static_cast<uint64_t>(n),
                                     static_cast<uint64_t>((c * 1000 + s) * 12 + k));
            }
            return sum / std::sqrt(static_cast<double>(kChannels));
        };
        const TestMaps maps(2, kChannels, kLocations, DType::kFloat32, Layout::kContiguous, normal);
        const ReferenceMaxima<float> wanted(maps, maps);
        const auto error = [&](cuda::Variant variant) {
            cuda::set_variant(variant);
            const Maxima<float> maxima = correlation_max<float>(CudaDevice(), maps, maps);
            cuda::set_variant(tensor_cores);
            double sum = 0;
            for (size_t k = 0; k < maxima.over_gallery.size(); ++k) {
                sum += std::abs(maxima.over_gallery[k] - wanted.over_gallery.value[k]);
            }
            return sum / static_cast<double>(maxima.over_gallery.size());
        };
        const double tensor = error(tensor_cores), plain = error(cuda::Variant::kPlain);
        std::printf("mean error of a float32 maximum: tensor cores %.3g, plain variant %.3g\n",
                    tensor, plain);
        check(tensor <= kFactor * plain, "got " + text(tensor) + ", wanted at most " +
                                             text(kFactor) + " times " + text(plain));
    });
}

}  // namespace qaconv::test
