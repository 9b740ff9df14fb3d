// The operators on test data, on any device. A Device has
//   Array<T>                  memory of exactly the size asked for: Array(count), not yet written,
//                             or Array(vector); data(), download()
//   Status run(params) const  for the parameters of every operator
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/correlation_max.h"
#include "core/match_scores.h"
#include "test_maps.h"

namespace qaconv::test {

// Results of correlation_max, or gradients of its values with the positions of its winners.
template <typename T>
struct Maxima {
    std::vector<T> over_gallery, over_probe;          // [P, G, s], [P, G, r]
    std::vector<int32_t> gallery_index, probe_index;  // the same
};

template <typename T>
struct Gradients {
    std::vector<T> probe, gallery;  // [P, C, s], [G, C, r]; empty where not wanted
};

template <typename T>
struct Head {
    std::vector<T> probe_weight, gallery_weight;
    T bias;
};

inline int64_t index_size(int64_t among) { return index_is_byte(among) ? 1 : 2; }

inline std::vector<unsigned char> stored_indices(const std::vector<int32_t>& indices,
                                                 int64_t among) {
    std::vector<unsigned char> bytes;
    for (int32_t index : indices) {
        const int16_t wide = static_cast<int16_t>(index);
        unsigned char both[2];
        std::memcpy(both, &wide, 2);
        if (index_is_byte(among)) {
            bytes.push_back(static_cast<unsigned char>(index));
        } else {
            bytes.insert(bytes.end(), both, both + 2);
        }
    }
    return bytes;
}

inline std::vector<int32_t> read_indices(const std::vector<unsigned char>& bytes, int64_t among) {
    std::vector<int32_t> indices;
    for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(index_size(among))) {
        int16_t wide = bytes[at];
        if (!index_is_byte(among)) std::memcpy(&wide, &bytes[at], 2);
        indices.push_back(wide);
    }
    return indices;
}

inline void check_status(Status status) {
    check(status == Status::kOk, "status: got " + text(static_cast<int>(status)) + ", wanted kOk");
}

template <typename T, typename Device>
Maxima<T> correlation_max(const Device& device, const TestMaps& probe, const TestMaps& gallery) {
    using Bytes = typename Device::template Array<unsigned char>;
    using Numbers = typename Device::template Array<T>;
    const Bytes probe_data(probe.storage()), gallery_data(gallery.storage());
    const int64_t pairs = probe.count() * gallery.count();
    const int64_t s = probe.locations(), r = gallery.locations();
    const Numbers over_gallery(pairs * s), over_probe(pairs * r);
    const Bytes gallery_index(pairs * s * index_size(r)), probe_index(pairs * r * index_size(s));
    CorrelationMaxParams params;
    params.probe = probe.maps(probe_data.data());
    params.gallery = gallery.maps(gallery_data.data());
    params.over_gallery = over_gallery.data();
    params.over_probe = over_probe.data();
    params.gallery_index = gallery_index.data();
    params.probe_index = probe_index.data();
    check_status(device.run(params));
    return {over_gallery.download(), over_probe.download(),
            read_indices(gallery_index.download(), r), read_indices(probe_index.download(), s)};
}

// [N, N, locations] with the pairs transposed.
template <typename T>
std::vector<T> turned(const std::vector<T>& plane, int64_t count, int64_t locations) {
    std::vector<T> result(plane.size());
    for (int64_t p = 0; p < count; ++p) {
        for (int64_t g = 0; g < count; ++g) {
            for (int64_t s = 0; s < locations; ++s) {
                result[(g * count + p) * locations + s] = plane[(p * count + g) * locations + s];
            }
        }
    }
    return result;
}

// The one plane of a self match, and the other as its contract says it is.
template <typename T, typename Device>
Maxima<T> correlation_max_self(const Device& device, const TestMaps& features) {
    const typename Device::template Array<unsigned char> data(features.storage());
    const int64_t n = features.count(), s = features.locations();
    const typename Device::template Array<T> maxima(n * n * s);
    const typename Device::template Array<unsigned char> index(n * n * s * index_size(s));
    CorrelationMaxSelfParams params;
    params.features = features.maps(data.data());
    params.maxima = maxima.data();
    params.index = index.data();
    check_status(device.run(params));
    const std::vector<T> values = maxima.download();
    const std::vector<int32_t> positions = read_indices(index.download(), s);
    return {values, turned(values, n, s), positions, turned(positions, n, s)};
}

template <typename T, typename Device>
std::vector<T> correlation_max_self_backward(const Device& device, const TestMaps& features,
                                             const std::vector<T>& gradient,
                                             const std::vector<int32_t>& positions) {
    const typename Device::template Array<unsigned char> data(features.storage());
    const typename Device::template Array<T> grad_maxima(gradient);
    const typename Device::template Array<unsigned char> index(
        stored_indices(positions, features.locations()));
    const typename Device::template Array<T> grad_features(features.count() * features.channels() *
                                                           features.locations());
    CorrelationMaxSelfBackwardParams params;
    params.features = features.maps(data.data());
    params.grad_maxima = grad_maxima.data();
    params.index = index.data();
    params.grad_features = grad_features.data();
    check_status(device.run(params));
    return grad_features.download();
}

template <typename T, typename Device>
Gradients<T> correlation_max_backward(const Device& device, const TestMaps& probe,
                                      const TestMaps& gallery, const Maxima<T>& gradient,
                                      bool want_probe = true, bool want_gallery = true) {
    using Bytes = typename Device::template Array<unsigned char>;
    using Numbers = typename Device::template Array<T>;
    const Bytes probe_data(probe.storage()), gallery_data(gallery.storage());
    const Numbers grad_over_gallery(gradient.over_gallery), grad_over_probe(gradient.over_probe);
    const Bytes gallery_index(stored_indices(gradient.gallery_index, gallery.locations()));
    const Bytes probe_index(stored_indices(gradient.probe_index, probe.locations()));
    const Numbers grad_probe(want_probe ? probe.count() * probe.channels() * probe.locations() : 0);
    const Numbers grad_gallery(
        want_gallery ? gallery.count() * gallery.channels() * gallery.locations() : 0);
    CorrelationMaxBackwardParams params;
    params.probe = probe.maps(probe_data.data());
    params.gallery = gallery.maps(gallery_data.data());
    params.grad_over_gallery = grad_over_gallery.data();
    params.grad_over_probe = grad_over_probe.data();
    params.gallery_index = gallery_index.data();
    params.probe_index = probe_index.data();
    params.grad_probe = want_probe ? grad_probe.data() : nullptr;
    params.grad_gallery = want_gallery ? grad_gallery.data() : nullptr;
    check_status(device.run(params));
    return {grad_probe.download(), grad_gallery.download()};
}

template <typename T, typename Device>
std::vector<T> match_scores(const Device& device, const TestMaps& probe, const TestMaps& gallery,
                            const Head<T>& head) {
    using Numbers = typename Device::template Array<T>;
    const typename Device::template Array<unsigned char> probe_data(probe.storage()),
        gallery_data(gallery.storage());
    const Numbers probe_weight(head.probe_weight), gallery_weight(head.gallery_weight),
        bias(std::vector<T>{head.bias}), scores(probe.count() * gallery.count());
    MatchScoresParams params;
    params.probe = probe.maps(probe_data.data());
    params.gallery = gallery.maps(gallery_data.data());
    params.probe_weight = probe_weight.data();
    params.gallery_weight = gallery_weight.data();
    params.bias = bias.data();
    params.scores = scores.data();
    check_status(device.run(params));
    return scores.download();
}

template <typename T, typename Device>
std::vector<T> pairwise_distance(const Device& device, const TestMaps& features,
                                 const std::vector<T>& weight, T bias) {
    using Numbers = typename Device::template Array<T>;
    const typename Device::template Array<unsigned char> data(features.storage());
    const Numbers weights(weight), biases(std::vector<T>{bias}),
        distances(features.count() * features.count());
    PairwiseDistanceParams params;
    params.features = features.maps(data.data());
    params.weight = weights.data();
    params.bias = biases.data();
    params.distances = distances.data();
    check_status(device.run(params));
    return distances.download();
}

}  // namespace qaconv::test
