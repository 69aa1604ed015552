"""`sensorline up`: broker, ingest, web and a sensor node on one machine, under one supervisor."""
