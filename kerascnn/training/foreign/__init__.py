"""Keras models made elsewhere: inspected, loaded, and converted to output logits.

The steps, each in a module of its own: ``container`` reads the file without Keras, ``architecture``
and ``keras2`` accept only Keras' own layers and no code, ``loading`` returns a model that takes
pictures, ``logits`` one that outputs logits.
"""
