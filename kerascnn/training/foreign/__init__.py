"""Keras models that were made elsewhere: inspected, loaded, and brought to logits.

The steps, each in a module that knows nothing of the others': ``container`` reads the file
without Keras, ``architecture`` and ``keras2`` let through what is Keras' own and no code,
``loading`` gives a model that takes pictures, ``logits`` one that gives logits.
"""
