// Loads an export as TensorFlow Serving does (LoadSavedModel, Session::Run) and runs every signature.
//
// run_saved_model VERSION_DIR PICTURE
//
// For each signature and each batch size, 1 and 3, prints "SIGNATURE BATCH OUTPUT SHAPE FIRST_VALUE"; then what bad input is
// refused with. XLA is off, as in the server.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/public/session.h"

using tensorflow::Tensor;
using Inputs = std::map<std::string, Tensor>;

namespace {

Tensor Pictures(const std::string& bytes, int batch) {
  Tensor tensor(tensorflow::DT_STRING, {batch});
  for (int i = 0; i < batch; ++i) tensor.vec<tensorflow::tstring>()(i) = bytes;
  return tensor;
}

Tensor Filled(const tensorflow::TensorShape& shape, const std::vector<float>& row) {
  Tensor tensor(tensorflow::DT_FLOAT, shape);
  auto flat = tensor.flat<float>();
  for (int64_t i = 0; i < flat.size(); ++i) flat(i) = row[i % row.size()];
  return tensor;
}

tsl::Status Run(const tensorflow::SavedModelBundle& bundle, const std::string& name, const Inputs& inputs,
                std::map<std::string, Tensor>* answers) {
  const auto& signature = bundle.GetSignatures().at(name);
  std::vector<std::pair<std::string, Tensor>> feeds;
  for (const auto& input : inputs) feeds.emplace_back(signature.inputs().at(input.first).name(), input.second);
  std::vector<std::string> names, fetches;
  for (const auto& output : signature.outputs()) {
    names.push_back(output.first);
    fetches.push_back(output.second.name());
  }
  std::vector<Tensor> outputs;
  const tsl::Status status = bundle.GetSession()->Run(feeds, fetches, {}, &outputs);
  for (size_t i = 0; i < outputs.size(); ++i) (*answers)[names[i]] = outputs[i];
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream file(argv[2], std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());

  tensorflow::SavedModelBundle bundle;
  tensorflow::SessionOptions options;
  options.config.mutable_graph_options()->mutable_optimizer_options()->set_global_jit_level(
      tensorflow::OptimizerOptions::OFF);
  tsl::Status status =
      tensorflow::LoadSavedModel(options, {}, argv[1], {"serve"}, &bundle);
  if (!status.ok()) {
    std::cerr << status.ToString() << std::endl;
    return 1;
  }
  const std::vector<float> box = {10.5, 20.25, 60.0, 80.5};
  const auto& crops = bundle.GetSignatures().at("crops").inputs().at("crops").tensor_shape();
  const int64_t height = crops.dim(1).size(), width = crops.dim(2).size();
  for (int batch : {1, 3}) {
    const std::map<std::string, Inputs> requests = {
        {"serving_default", {{"image_bytes", Pictures(bytes, batch)}, {"boxes", Filled({batch, 4}, box)}}},
        {"image", {{"image_bytes", Pictures(bytes, batch)}, {"boxes", Filled({batch, 2, 4}, box)}}},
        {"crops", {{"crops", Filled({batch, height, width, 3}, {0, 50, 100, 150, 200, 250})}}},
    };
    for (const auto& request : requests) {
      std::map<std::string, Tensor> answers;
      status = Run(bundle, request.first, request.second, &answers);
      if (!status.ok()) {
        std::cerr << request.first << ": " << status.ToString() << std::endl;
        return 1;
      }
      for (const auto& answer : answers) {
        std::cout << request.first << " " << batch << " " << answer.first << " " << answer.second.shape().DebugString()
                  << " " << answer.second.flat<float>()(0) << std::endl;
      }
    }
  }
  const std::map<std::string, Inputs> refused = {
      {"no image", {{"image_bytes", Pictures("no image", 1)}, {"boxes", Filled({1, 4}, box)}}},
      {"rank", {{"image_bytes", Pictures(bytes, 1)}, {"boxes", Filled({4}, box)}}},
      {"five numbers", {{"image_bytes", Pictures(bytes, 1)}, {"boxes", Filled({1, 5}, box)}}},
      {"area", {{"image_bytes", Pictures(bytes, 1)}, {"boxes", Filled({1, 4}, {1, 1, 0, 5})}}},
  };
  for (const auto& request : refused) {
    std::map<std::string, Tensor> answers;
    status = Run(bundle, "serving_default", request.second, &answers);
    const std::string text = status.ToString();
    std::cout << "refused " << request.first << ": " << text.substr(0, text.find('\n')) << std::endl;
  }
  return 0;
}
