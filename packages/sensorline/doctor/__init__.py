"""`sensorline doctor`: looks at a running installation by what it does, and says in sentences what will lose data.

`examination` asks every check; each is a module that returns findings and knows nothing of the others. Nothing that is
looked at is changed: what the broker's checks make there they take away again.
"""
