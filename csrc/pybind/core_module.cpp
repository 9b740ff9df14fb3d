// qaconv_ext._core: the build and the CPU kernels on numpy arrays, without torch. Arguments were
// checked in Python (qaconv_ext/arrays.py).
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <new>
#include <stdexcept>
#include <string>

#include "core/build_info.h"
#include "cpu/kernels.h"
#include "cpu/simd_level.h"
#include "pybind/threads.h"

namespace py = pybind11;

namespace qaconv {
namespace {

Maps maps_of(const py::array& array) {
    Maps maps;
    const py::ssize_t size = array.itemsize();
    if (array.ndim() != 3 || array.dtype().kind() != 'f') {
        throw std::invalid_argument("maps must be floating arrays [N, C, locations]");
    }
    for (py::ssize_t axis = 0; axis < 3; ++axis) {
        if (array.strides(axis) % size != 0) {
            throw std::invalid_argument("maps have strides that are no multiple of their element");
        }
    }
    maps.data = array.data();
    maps.dtype = size == 8 ? DType::kFloat64 : size == 2 ? DType::kFloat16 : DType::kFloat32;
    maps.count = array.shape(0);
    maps.channels = array.shape(1);
    maps.locations = array.shape(2);
    maps.map_stride = array.strides(0) / size;
    maps.channel_stride = array.strides(1) / size;
    maps.location_stride = array.strides(2) / size;
    if (maps.channels < 1 || maps.locations < 1 || maps.locations > kMaxLocations) {
        throw std::invalid_argument("maps without channels or locations, or with more than 32767");
    }
    return maps;
}

py::dtype sum_type(const Maps& maps) {
    return computes_in_double(maps.dtype) ? py::dtype::of<double>() : py::dtype::of<float>();
}

// A vector of so many numbers of the type of the sums.
const void* numbers_of(const py::array& array, py::ssize_t count, const Maps& maps) {
    if (array.size() != count || !array.dtype().equal(sum_type(maps)) ||
        !(array.flags() & py::array::c_style)) {
        throw std::invalid_argument("a vector has the wrong size, type or layout");
    }
    return array.data();
}

void check(Status status) {
    if (status != Status::kOk) throw std::bad_alloc();
}

py::array match_scores(const py::array& probe, const py::array& gallery,
                       const py::array& probe_weight, const py::array& gallery_weight,
                       const py::array& bias) {
    MatchScoresParams params;
    params.probe = maps_of(probe);
    params.gallery = maps_of(gallery);
    if (params.probe.dtype != params.gallery.dtype ||
        params.probe.channels != params.gallery.channels) {
        throw std::invalid_argument("maps differ in type or channels");
    }
    params.probe_weight = numbers_of(probe_weight, params.probe.locations, params.probe);
    params.gallery_weight = numbers_of(gallery_weight, params.gallery.locations, params.probe);
    params.bias = numbers_of(bias, 1, params.probe);
    py::array scores(sum_type(params.probe), {params.probe.count, params.gallery.count});
    params.scores = scores.mutable_data();
    {
        const py::gil_scoped_release released;
        check(cpu::match_scores(params, own_threads));
    }
    return scores;
}

py::array pairwise_distance(const py::array& features, const py::array& weight,
                            const py::array& bias) {
    PairwiseDistanceParams params;
    params.features = maps_of(features);
    params.weight = numbers_of(weight, params.features.locations, params.features);
    params.bias = numbers_of(bias, 1, params.features);
    py::array distances(sum_type(params.features), {params.features.count, params.features.count});
    params.distances = distances.mutable_data();
    {
        const py::gil_scoped_release released;
        check(cpu::pairwise_distance(params, own_threads));
    }
    return distances;
}

void set_threads(int count) {
    if (count < 1) throw std::invalid_argument("threads: wanted 1 or more");
    thread_count() = count;
}

}  // namespace
}  // namespace qaconv

PYBIND11_MODULE(_core, m) {
    namespace cpu = qaconv::cpu;
    m.doc() = "The build, and the CPU kernels on numpy arrays. Does not import torch.";
    m.attr("MAX_LOCATIONS") = qaconv::kMaxLocations;
    m.def(
        "build_info", [] { return qaconv::build_info(cpu::names_of(cpu::compiled_simd_levels())); },
        "The build as key=value lines.");
    m.def(
        "simd_levels", [] { return cpu::names_of(cpu::simd_levels()); },
        "The instruction sets this machine and this build share, lowest first.");
    m.def("simd_level", &cpu::simd_level, "The one in use: a position in simd_levels.");
    m.def("set_simd_level", &cpu::set_simd_level, "Use another; False where there is none such.");
    m.def("match_scores", &qaconv::match_scores);
    m.def("pairwise_distance", &qaconv::pairwise_distance);
    m.def("threads", [] { return qaconv::thread_count().load(); }, "Threads a call uses.");
    m.def("set_threads", &qaconv::set_threads);
}
