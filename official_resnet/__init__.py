"""The ResNets of TensorFlow's official model garden (2019) as tf.keras models.

The package needs TensorFlow only and knows nothing of how a model is trained.
"""

from official_resnet.configurations import cifar_resnet, resnet18
from official_resnet.resnet import resnet

__all__ = ["cifar_resnet", "resnet", "resnet18"]
