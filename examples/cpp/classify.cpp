// classify MODEL.onnx PICTURE.rgb WIDTH HEIGHT: raw RGB bytes in, class out.
//
// No preprocessing code: the file takes pictures of any size. Build, with onnxruntime unpacked at ORT:
//   c++ -std=c++17 -I$ORT/include classify.cpp -L$ORT/lib -lonnxruntime -Wl,-rpath,$ORT/lib -o classify

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

// The class names in the file's card: a JSON list of strings, in UTF-8.
std::vector<std::string> readClasses(const Ort::Session& session) {
  Ort::AllocatorWithDefaultOptions allocator;
  auto metadata = session.GetModelMetadata();
  char* text = nullptr;  // the C function: its wrapper changed its name between versions
  Ort::ThrowOnError(Ort::GetApi().ModelMetadataLookupCustomMetadataMap(
      metadata, allocator, "kerascnn", &text));
  if (!text) throw std::runtime_error("no card in this file: expected one that kerascnn exported");
  const std::string card = text, key = "\"classes\":";
  allocator.Free(text);
  std::vector<std::string> classes;
  bool inside = false;
  for (size_t at = card.find('[', card.find(key)); at < card.size(); ++at) {
    const char c = card[at];
    if (inside && c == '\\') classes.back() += card[++at];  // \" and \\ are what names have
    else if (c == '"') { if ((inside = !inside)) classes.emplace_back(); }
    else if (inside) classes.back() += c;
    else if (c == ']') break;
  }
  return classes;
}

int main(int argc, char** argv) try {
  if (argc != 5) throw std::runtime_error("usage: classify MODEL.onnx PICTURE.rgb WIDTH HEIGHT");
  std::ifstream file(argv[2], std::ios::binary);
  std::vector<uint8_t> rgb{std::istreambuf_iterator<char>(file), {}};
  const int64_t width = std::atoll(argv[3]), height = std::atoll(argv[4]);
  if (!file || width < 1 || height < 1 || int64_t(rgb.size()) != width * height * 3)
    throw std::runtime_error(std::string(argv[2]) + ": expected WIDTH x HEIGHT x 3 bytes");

  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "classify");
  Ort::Session session(env, argv[1], Ort::SessionOptions{});
  const int64_t shape[] = {1, height, width, 3};
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto image = Ort::Value::CreateTensor<uint8_t>(memory, rgb.data(), rgb.size(), shape, 4);
  const char *inputs[] = {"image"}, *outputs[] = {"probabilities"};
  auto answers = session.Run(Ort::RunOptions{}, inputs, &image, 1, outputs, 1);

  const auto classes = readClasses(session);
  const float* values = answers[0].GetTensorData<float>();
  const auto best = std::max_element(values, values + classes.size()) - values;
  std::cout << classes.at(best) << "\t" << values[best] << "\n";
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
