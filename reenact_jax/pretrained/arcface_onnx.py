"""Reads an iresnet from an ONNX graph into the names of PyTorch's state dict.

Exporters fold batch normalisations into convolutions and rename what they fold, so arrays are
found by their place in the graph, not by their names. A normalisation that was folded is returned
as one that only adds the convolution's bias, so that both forms of the file read alike. Nothing in
a graph is executed.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError

# Of PyTorch's normalisations; the variances that are returned go with it.
_EPSILON = 1e-5
# Nodes that hand on their first input; an array may also be given more axes of length 1.
_PASSING = ("Identity", "Dropout")
_PASSING_ARRAYS = (*_PASSING, "Unsqueeze")
_CONV_DEFAULTS = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}


def read_iresnet_onnx(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an iresnet of any depth under PyTorch's names.

    Args:
      path: an .onnx file with one picture as input and the embedding as output.

    Raises:
      UserError: if the package onnx is missing, the file is damaged or keeps its weights in
        another file, or the graph is not an iresnet's.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as err:
        raise UserError(
            f"reading {path} needs the package onnx: `pip install onnx`, or convert the file once "
            "with scripts/convert_evaluation.py on a machine that has it"
        ) from err
    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError as err:
        raise UserError(
            f"{path}: expected an ONNX file, found one that does not decode (a download that broke "
            f"off?): {err}"
        ) from err
    return _Graph(model.graph, path).read()


class _Graph:
    """A walk along the values of a graph, collecting arrays in `found`.

    Every step takes the name of the value that it starts from and returns that of its result.
    """

    def __init__(self, graph, path: Path):
        self.path = path
        self.found: dict[str, np.ndarray] = {}
        self.stored = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in self.stored]
        self.makers = {output: node for node in graph.node for output in node.output}
        self.users = defaultdict(list)
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self.users[name].append(node)

    def read(self) -> dict[str, np.ndarray]:
        if len(self.inputs) != 1:
            raise self._other("one input", f"{len(self.inputs)}")
        value = self._conv_norm(self.inputs[0], "conv1", "bn1")
        value = self._prelu(value, "prelu")
        stage, block = 0, 0
        # Where a block starts, the value goes two ways.
        while len(self._next_nodes(value)) > 1:
            projected = any(node.op_type == "Conv" for node in self._next_nodes(value))
            stage, block = (stage + 1, 0) if projected else (stage, block + 1)
            value = self._residual(value, f"layer{stage}.{block}", projected)
        value = self._norm(value, "bn2")
        value = self._next_node(value, "Flatten", "Reshape").output[0]
        value = self._linear(value)
        if self._next_nodes(value):
            value = self._norm(value, "features")
        else:
            self._identity_norm("features", np.zeros(len(self.found["fc.bias"])))
        if self._next_nodes(value):
            raise self._other("the embedding as the last value", "more nodes")
        return self.found

    def _residual(self, value: str, at: str, projected: bool) -> str:
        main = self._norm(value, f"{at}.bn1")
        main = self._conv_norm(main, f"{at}.conv1", f"{at}.bn2")
        main = self._prelu(main, f"{at}.prelu")
        main = self._conv_norm(main, f"{at}.conv2", f"{at}.bn3", 2 if projected else 1)
        shortcut = value
        if projected:
            shortcut = self._conv_norm(value, f"{at}.downsample.0", f"{at}.downsample.1", 2)
        total = self._next_node(main, "Add")
        if set(map(self._origin, total.input)) != {self._origin(main), self._origin(shortcut)}:
            raise self._other(f"the two branches of {at} added", f"a sum of {list(total.input)}")
        return total.output[0]

    def _conv_norm(self, value: str, conv: str, norm: str, stride: int = 1) -> str:
        node = self._next_node(value, "Conv")
        weight = self._constant(node.input[1])
        bias = self._constant(node.input[2]) if len(node.input) > 2 else np.zeros(len(weight))
        padding = weight.shape[-1] // 2
        expected = _CONV_DEFAULTS | {"strides": [stride] * 2, "pads": [padding] * 4}
        attributes = _attributes(node)
        found = {name: attributes.get(name, value) for name, value in _CONV_DEFAULTS.items()}
        if found != expected:
            raise self._other(f"{conv} with {expected}", f"{found}")
        self.found[f"{conv}.weight"] = weight
        output = node.output[0]
        if [follower.op_type for follower in self._next_nodes(output)] == ["BatchNormalization"]:
            output = self._norm(output, norm)
            self.found[f"{norm}.running_mean"] = self.found[f"{norm}.running_mean"] - bias
        else:
            self._identity_norm(norm, bias)
        return output

    def _norm(self, value: str, norm: str) -> str:
        node = self._next_node(value, "BatchNormalization")
        for part, name in zip(
            ("weight", "bias", "running_mean", "running_var"), node.input[1:], strict=True
        ):
            self.found[f"{norm}.{part}"] = self._constant(name)
        # In float64: the sum that is divided by must not change.
        variance = self.found[f"{norm}.running_var"].astype(np.float64)
        epsilon = _attributes(node).get("epsilon", _EPSILON)
        self.found[f"{norm}.running_var"] = variance + (epsilon - _EPSILON)
        return node.output[0]

    def _identity_norm(self, norm: str, bias: np.ndarray) -> None:
        ones = np.ones(len(bias))
        self.found |= {f"{norm}.weight": ones, f"{norm}.bias": bias}
        self.found |= {f"{norm}.running_mean": 0 * ones, f"{norm}.running_var": ones - _EPSILON}

    def _prelu(self, value: str, name: str) -> str:
        node = self._next_node(value, "PRelu")
        self.found[f"{name}.weight"] = self._constant(node.input[1]).reshape(-1)
        return node.output[0]

    def _linear(self, value: str) -> str:
        node = self._next_node(value, "Gemm")
        weight = self._constant(node.input[1])
        attributes = _attributes(node)
        if (attributes.get("alpha", 1), attributes.get("beta", 1)) != (1, 1):
            raise self._other("a plain linear layer", f"{attributes}")
        self.found["fc.weight"] = weight if attributes.get("transB", 0) else weight.T
        self.found["fc.bias"] = self._constant(node.input[2])
        return node.output[0]

    def _next_nodes(self, value: str) -> list:
        """Nodes that work on the value, those that only hand it on passed over."""
        found = []
        for node in self.users[value]:
            found += self._next_nodes(node.output[0]) if node.op_type in _PASSING else [node]
        return found

    def _next_node(self, value: str, *kinds: str):
        nodes = self._next_nodes(value)
        fitting = [node for node in nodes if node.op_type in kinds]
        if len(fitting) != 1:
            after = f"after value {value!r}"
            raise self._other(f"{kinds[0]} {after}", f"{[node.op_type for node in nodes]}")
        return fitting[0]

    def _origin(self, value: str, passing: tuple[str, ...] = _PASSING) -> str:
        """The value that was handed on."""
        maker = self.makers.get(value)
        if maker is None or maker.op_type not in passing:
            return value
        return self._origin(maker.input[0], passing)

    def _constant(self, name: str) -> np.ndarray:
        from onnx import TensorProto, numpy_helper

        tensor = self.stored.get(self._origin(name, _PASSING_ARRAYS))
        if tensor is None:
            raise self._other(f"an array {name!r}", "a computed value")
        if tensor.data_location == TensorProto.EXTERNAL:
            raise self._other("the arrays inside the file", "some in a file beside it")
        return numpy_helper.to_array(tensor)

    def _other(self, expected: str, found: str) -> UserError:
        return UserError(f"{self.path}: expected an iresnet's graph: {expected}; found {found}")


def _attributes(node) -> dict:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
